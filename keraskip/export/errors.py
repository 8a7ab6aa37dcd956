"""The error of an export."""


class ExportError(ValueError):
    """An export that cannot be made, or whose outputs differ from the model's."""
