"""Which layers have a kernel, by the definition at the top of `keraskip.graph`."""

from typing import Any

import keras
from keras import layers

# Their weights, which may have many axes, scale single elements or are looked up.
WITHOUT_KERNELS = (
    layers.BatchNormalization,
    layers.GroupNormalization,
    layers.LayerNormalization,
    layers.RMSNormalization,
    layers.Normalization,
    layers.PReLU,
    layers.Embedding,
)


def has_kernel(layer: Any) -> bool:
    """Whether the layer itself has a kernel; layers inside of it do not count."""
    if isinstance(layer, WITHOUT_KERNELS):
        return False
    # Those that were made as trainable: freezing a layer changes nothing here.
    learned = getattr(layer, "_trainable_variables", [])
    return any(len(weight.shape) > 1 for weight in (*_kernel(layer), *learned))


def _kernel(layer: Any) -> list:
    """The kernel of a layer whose weights may be of another kind, as quantized ones are."""
    kernel = getattr(layer, "kernel", None)
    return [kernel] if isinstance(kernel, keras.Variable) else []


def links(layer: Any) -> list:
    """The layers in a row that one layer stands for; most stand for themselves.

    A layer of this package lists them in `layers_in_a_row`, as in a memory-efficient DenseNet.
    """
    if isinstance(layer, layers.RNN):
        return list(getattr(layer.cell, "cells", [layer.cell]))
    return getattr(layer, "layers_in_a_row", [layer])


def is_composite(layer: Any) -> bool:
    """Whether the layer calls layers with kernels that are inside of it."""
    return links(layer) == [layer] and has_kernel_inside(layer)


def holds_kernel(layer: Any) -> bool:
    """Whether the layer, or one inside of it, has a kernel."""
    return has_kernel(layer) or has_kernel_inside(layer)


def has_kernel_inside(layer: Any) -> bool:
    """Whether a layer inside of this one has a kernel."""
    if not isinstance(layer, layers.Layer):
        return False
    return any(map(has_kernel, layer._flatten_layers(include_self=False)))
