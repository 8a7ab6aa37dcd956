"""The artefact: there whole or not at all, compared with its model, described, and opened again."""
