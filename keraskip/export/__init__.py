"""Exports models as SavedModel, ONNX or LiteRT, and checks each artefact against its model."""
