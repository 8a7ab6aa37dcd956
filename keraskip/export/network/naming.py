"""The names of inputs and outputs: the model gives them, and every format keeps them."""

from collections.abc import Sequence
from typing import Any

import keras

from keraskip.export.network.tensors import name_at

# The name that Keras gives a tensor without one.
UNNAMED = "keras_tensor"


def names_of(structure: Any, own: Sequence[str], kind: str) -> list[str]:
    """A name for each tensor, in a form that can be an argument in every format.

    The keys of dicts name tensors, also in nested ones: `{"a": {"b": x}}` becomes `a_b`. A tensor
    that lies in no dict has its own name.

    Args:
        structure: the tensors, nested.
        own: the name that each has by itself.
        kind: `"input"` or `"output"`, for names without a letter at their beginning.
    """
    paths = [path for path, _ in keras.tree.flatten_with_path(structure)]
    names = [
        name_at(path if any(isinstance(key, str) for key in path) else [name], kind)
        for path, name in zip(paths, own, strict=True)
    ]
    # TensorFlow takes two names for one that differ in capitals alone.
    if len({name.lower() for name in names}) < len(names):
        return [f"{kind}_{index}" for index in range(len(names))]
    return names


def input_names(inputs: Any, known: bool) -> list[str]:
    """The names of the inputs, nested as the model takes them.

    Args:
        inputs: the symbolic tensors.
        known: whether the model has made them, so that their names mean something.
    """
    tensors = keras.tree.flatten(inputs)
    one = "images" if len(tensors[0].shape) == 4 else "inputs"
    usual = [one] if len(tensors) == 1 else [f"input_{index}" for index in range(len(tensors))]
    own = [
        tensor.name if known and not tensor.name.startswith(UNNAMED) else name
        for tensor, name in zip(tensors, usual, strict=True)
    ]
    return names_of(inputs, own, "input")


def output_names(model: Any, outputs: Any, taken: Sequence[str]) -> list[str]:
    """The names of the outputs; one that is taken already gets `_output` behind it."""
    tensors = keras.tree.flatten(outputs)
    if isinstance(model, keras.Sequential):
        own = [model.layers[-1].name]
    else:
        own = getattr(model, "output_names", None) or []
    if len(own) != len(tensors) or len({*own}) < len(own):
        own = [f"output_{index}" for index in range(len(tensors))]
    names = names_of(outputs, own, "output")
    for index in range(len(names)):
        others = {*taken, *names[:index], *names[index + 1 :]}
        while names[index] in others:
            names[index] += "_output"
    return names
