"""The names of layers and models that TensorFlow takes as scopes of its graph.

Keras enters a scope for each layer that it calls. TensorFlow refuses such as "my model", and Keras
then stays in a scope that it never entered: later trainings in the process fail.
"""

import re
from collections.abc import Iterator

import keras

from keraskip.export.errors import ExportError

# `tf.Graph.name_scope`; the first scope is the model.
INSIDE = re.compile(r"[A-Za-z0-9_.\\/>-]*")
FIRST = re.compile(r"[A-Za-z0-9.].*", re.DOTALL)


def scope_name(name: str, first: bool = False) -> str:
    """The name with underscores in place of what scopes cannot have."""
    plain = re.sub(r"[^A-Za-z0-9_.>-]", "_", name)
    return plain if not first or FIRST.fullmatch(plain) else f"model{plain}"


def refused(model: keras.Model) -> Iterator[str]:
    """The names that TensorFlow refuses."""
    if not FIRST.fullmatch(model.name):
        yield model.name
    for layer in model._flatten_layers():
        if not INSIDE.fullmatch(layer.name) and not isinstance(layer, keras.layers.InputLayer):
            yield layer.name


def check_names(model: keras.Model) -> None:
    """ExportError for a model with a name that TensorFlow refuses."""
    if names := [repr(name) for name in dict.fromkeys(refused(model))]:
        raise ExportError(
            "To export them, models without a graph, and layers in other layers, need names of "
            "ASCII letters, digits, '_', '-' and '.' that begin without '_' and '-'. "
            f"Received: {', '.join(names)}"
        )
