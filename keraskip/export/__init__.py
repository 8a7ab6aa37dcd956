"""Exports models in four formats, and checks each artefact against its model."""
