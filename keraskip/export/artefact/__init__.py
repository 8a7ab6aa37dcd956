"""The artefact: a folder that is written whole, compared with its model, described and opened."""
