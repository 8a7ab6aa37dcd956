"""A copy of a model's graph with other layers in some places, and the same weights."""

from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from keraskip.models.costs import walk
from keraskip.models.frame import connect
from keraskip.models.recompute import RecomputedConvolutions

HALF = ("float16", "bfloat16")
# What stands in for one call of a layer, given its place among the calls that
# `keraskip.models.costs.trace` lists, or None for a copy of the layer.
Replace = Callable[[int, Any], Callable[..., Any] | None]


def rebuild(model: keras.Model, replace: Replace, dtype: str | None = None) -> keras.Model:
    """A functional model with copies of this one's layers; models nested in it are taken apart.

    Args:
        model: a model with a graph.
        replace: what else to call in a layer's place.
        dtype: the type in which copied layers are to compute, by default their own.

    Raises:
        ValueError: for a layer that cannot be copied from its configuration.
    """
    copies: dict[int, tuple[Any, Any]] = {}
    index = -1

    def visit(name: str, node: Any, known: dict) -> list:
        nonlocal index
        index += 1
        if node.is_input:
            return [known[id(tensor)] for tensor in node.outputs]
        layer = node.operation
        args, kwargs = node.arguments.fill_in(known)
        called = replace(index, layer)
        if called is None:
            if id(layer) not in copies:
                copies[id(layer)] = layer, copied(layer, name, dtype)
            called = copies[id(layer)][1]
        return keras.tree.flatten(called(*args, **kwargs))

    inputs = [
        keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name)
        for tensor in model.inputs
    ]
    outputs = walk(model, inputs, visit)
    if isinstance(model, keras.Sequential):
        new = connect(inputs[0], outputs[0], model.name)
    else:
        packed = keras.tree.pack_sequence_as
        new = connect(packed(model.input, inputs), packed(model.output, outputs), model.name)
    for layer, copy in copies.values():
        if getattr(copy, "weights", None):
            copy.set_weights(layer.get_weights())
    return new


def copied(layer: Any, name: str, dtype: str | None = None, **changes: Any) -> Any:
    """A layer of the same configuration, but for these changes, without the weights.

    Raises:
        ValueError: where the configuration does not make it again.
    """
    try:
        config = {**layer.get_config(), "name": name.replace("/", "_"), **changes}
        if dtype and "dtype" in config:
            config["dtype"] = dtype
        return type(layer).from_config(config)
    except Exception as error:
        raise ValueError(
            "Every layer must come back from its get_config. Received: layer "
            f"{layer.name!r} of class {type(layer).__name__}: {error}"
        ) from error


def for_inference(model: keras.Model, dtype: str | None = None) -> keras.Model:
    """The model of ordinary layers alone, or itself if it is.

    A layer that computes again for the backward pass is of no use without one.

    Args:
        model: a model with a graph.
        dtype: the type in which to compute, by default that of each layer.
    """
    flat = model._flatten_layers(include_self=False)
    if dtype is None and not any(isinstance(layer, RecomputedConvolutions) for layer in flat):
        return model

    def replace(index: int, layer: Any) -> Callable | None:
        if not isinstance(layer, RecomputedConvolutions):
            return None
        return lambda maps, *moments, **options: _convolved(layer, maps, dtype)

    return rebuild(model, replace, dtype)


def is_half(model: keras.Model) -> bool:
    """Whether some layer computes in half precision."""
    flat = model._flatten_layers(include_self=False)
    return any(getattr(layer, "compute_dtype", None) in HALF for layer in flat)


def _convolved(layer: RecomputedConvolutions, maps: list, dtype: str | None) -> Any:
    """What a layer of a memory-efficient DenseNet gives, by ordinary layers."""
    x = maps[0]
    if len(maps) > 1:
        axis = 1 if layer.data_format == "channels_first" else -1
        x = layers.Concatenate(axis, name=f"{layer.name}_concat", dtype=dtype)(maps)
    for number, part in enumerate(layer.composites, 1):
        norm = copied(part.norm, f"{layer.name}_norm{number}", dtype)
        activation = layers.Activation(
            part.activation, name=f"{layer.name}_act{number}", dtype=dtype
        )
        conv = copied(part.conv, f"{layer.name}_conv{number}", dtype)
        x = conv(activation(norm(x)))
        for new, old in ((norm, part.norm), (conv, part.conv)):
            new.set_weights(old.get_weights())
    return x
