"""Copies a model's graph, with some calls of layers replaced, and keeps the weights."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from keraskip.export.network.scopes import scope_name
from keraskip.graph import walk
from keraskip.models.copies import copied, take_weights
from keraskip.models.large_graphs import connect
from keraskip.models.recompute import RecomputedConvolutions

PRECISIONS = {
    "float16": "half precision",
    "bfloat16": "half precision",
    "float64": "double precision",
}
# Returns the function that replaces one call of a layer, or None to call a copy of the layer. Its
# arguments: index of the call in the list of `keraskip.graph.trace`, layer, name for a new layer.
Replace = Callable[[int, Any, str], Callable[..., Any] | None]


def rebuild(model: keras.Model, replace: Replace, dtype: str | None = None) -> keras.Model:
    """A functional model with copies of this model's layers; nested models are taken apart.

    Names that TensorFlow refuses get underscores.

    Args:
        model: a model with a graph.
        replace: chooses the calls to replace.
        dtype: the type of numbers with a fraction in copied layers and inputs, by default their
            own.

    Raises:
        ValueError: for a layer that cannot be copied.
    """
    copies: dict[int, tuple[Any, Any]] = {}
    names: Counter[str] = Counter()
    index = -1

    def visit(path: str, node: Any, known: dict) -> list:
        nonlocal index
        index += 1
        if node.is_input:
            return [known[id(tensor)] for tensor in node.outputs]
        layer, name = node.operation, _unique(scope_name(path.replace("/", "_")), names)
        args, kwargs = node.arguments.fill_in(known)
        called = replace(index, layer, name)
        if called is None:
            if id(layer) not in copies:
                changed = dtype if _has_fractions(layer) else None
                copies[id(layer)] = layer, copied(layer, name, changed)
            called = copies[id(layer)][1]
        return keras.tree.flatten(called(*args, **kwargs))

    inputs = [
        keras.Input(
            batch_shape=tensor.shape,
            dtype=dtype if dtype and keras.backend.is_float_dtype(tensor.dtype) else tensor.dtype,
            name=tensor.name,
        )
        for tensor in model.inputs
    ]
    outputs = walk(model, inputs, visit)
    model_name = scope_name(model.name, first=True)
    if isinstance(model, keras.Sequential):
        new = connect(inputs[0], outputs[0], model_name)
    else:
        packed = keras.tree.pack_sequence_as
        new = connect(packed(model.input, inputs), packed(model.output, outputs), model_name)
    for layer, twin in copies.values():
        take_weights(twin, layer)
    return new


def for_inference(model: keras.Model, dtype: str | None = None) -> keras.Model:
    """The model with ordinary layers only, or `model` itself if it has no others.

    Layers that recompute activations for the backward pass have no use in inference.

    Args:
        model: a model with a graph.
        dtype: the type in which the layers compute, by default their own.
    """
    flat = model._flatten_layers(include_self=False)
    if dtype is None and not any(isinstance(layer, RecomputedConvolutions) for layer in flat):
        return model

    def replace(index: int, layer: Any, name: str) -> Callable | None:
        if not isinstance(layer, RecomputedConvolutions):
            return None
        return lambda maps, *moments, **options: _convolved(layer, name, maps, dtype)

    return rebuild(model, replace, dtype)


def precision(model: keras.Model) -> str | None:
    """Which other precision than float32 the model has, in an input or a layer; None for none."""
    flat = model._flatten_layers(include_self=False)
    types = [getattr(layer, "compute_dtype", None) for layer in flat]
    types += [tensor.dtype for tensor in model.inputs]
    return next((PRECISIONS[each] for each in types if each in PRECISIONS), None)


def _has_fractions(layer: Any) -> bool:
    """Whether a layer computes in numbers with a fraction; others keep their type."""
    return keras.backend.is_float_dtype(getattr(layer, "compute_dtype", None) or "float32")


def _unique(name: str, names: Counter[str]) -> str:
    """The name, with a number if it is taken."""
    while name in names:
        names[name] += 1
        name = f"{name}_{names[name]}"
    names[name] += 1
    return name


def _convolved(layer: RecomputedConvolutions, name: str, maps: list, dtype: str | None) -> Any:
    """The output of a layer of a memory-efficient DenseNet, by ordinary layers."""
    own = dtype or layer.dtype_policy
    x = maps[0]
    if len(maps) > 1:
        axis = 1 if layer.data_format == "channels_first" else -1
        x = layers.Concatenate(axis, name=f"{name}_concat", dtype=own)(maps)
    for number, part in enumerate(layer.composites, 1):
        norm = copied(part.norm, f"{name}_norm{number}", own)
        activation = layers.Activation(part.activation, name=f"{name}_act{number}", dtype=own)
        conv = copied(part.conv, f"{name}_conv{number}", own)
        x = conv(activation(norm(x)))
        for new, old in ((norm, part.norm), (conv, part.conv)):
            take_weights(new, old)
    return x
