"""The names of layers and models, as TensorFlow takes them for scopes of its graph.

Keras enters a scope for each layer that it calls. TensorFlow refuses names such as "my model", and
Keras then stays in a scope that it never entered: later trainings in the process fail.
"""

import re

import keras

from keraskip.export.errors import ExportError
from keraskip.models.names import OUTER, RULE, plain
from keraskip.models.scopes import refused_names


def scope_name(name: str, first: bool = False) -> str:
    """The name with underscores in place of what scopes cannot have."""
    found = plain(name)
    return found if not first or re.fullmatch(OUTER, found) else f"model{found}"


def refused(model: keras.Model) -> list[str]:
    """The names that TensorFlow refuses, once each."""
    names = refused_names(model, model._flatten_layers(include_self=False))
    return list(dict.fromkeys(name for _, name in names))


def check_names(model: keras.Model) -> None:
    """ExportError for a model with a name that TensorFlow refuses."""
    if names := refused(model):
        raise ExportError(
            "To export them, names in models without a graph, and of layers in other layers, must "
            f"be {RULE}. Received: {', '.join(map(repr, names))}"
        )
