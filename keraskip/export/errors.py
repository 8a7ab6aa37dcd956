"""The error of an export, and the cause of somebody else's error in a sentence."""

import re
from collections.abc import Sequence

# What Keras writes behind the cause: the arguments of the call.
ARGUMENTS = "Arguments received by"
# What TensorFlow writes around it: the place in its graph.
PLACE = re.compile(r"\{\{function_node .*?\}\} |\s*\[\[\{\{node .*?\}\}\]\]|\s*\[Op:[^\]]*\].*")
COLOURS = re.compile("\x1b\\[[0-9;]*m")
MOST_NAMED = 3
ADVICE = "replace the layer, or export a SavedModel, which has all operations"


class ExportError(ValueError):
    """An export that cannot be made, or whose outputs differ from the model's."""


def cause(error: BaseException) -> str:
    """The line of an error that says what went wrong."""
    text = PLACE.sub("", COLOURS.sub("", str(error)).split(ARGUMENTS)[0])
    return (text.strip().splitlines() or [type(error).__name__])[-1].strip()


def unknown_operations(
    format: str, operations: Sequence[tuple[str, str]], advice: str = ADVICE
) -> str:
    """A sentence on operations that a format does not have.

    Args:
        format: the name of the format as people write it.
        operations: pairs of an operation and its place in the graph, after the name of the model.
        advice: what to do instead.
    """
    layers = [(operation, place.partition("/")[2]) for operation, place in operations]
    named = [
        f"{operation} (of {layer})" if layer else operation
        for operation, layer in dict.fromkeys(layers)
    ]
    more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    return f"{format} does not have {', '.join(named[:MOST_NAMED])}{more}: {advice}"
