"""Models for those who ship them: SavedModel, ONNX and LiteRT, each checked against the model."""
