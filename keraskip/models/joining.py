"""The layers that a skip is made of, all of them Keras' own."""

from collections.abc import Callable
from typing import Any

import keras
from keras import layers, ops

from keraskip.models.copies import copied
from keraskip.models.residual_block import zero_padded
from keraskip.models.skip_layers import (
    CONVOLUTIONS,
    NORMALIZATIONS,
    PROJECTED,
    is_channels_first,
    strides_between,
)
from keraskip.models.stretches import Stretch, Wish


def merged(x, y, stretch: Stretch, wish: Wish, unique: Callable[[str], str]):
    """The output of a stretch with its skip.

    Args:
        x: the tensor where the skip begins.
        y: the output of the branch.
        stretch: the stretch.
        wish: what is asked for.
        unique: makes a name of a layer unique.
    """
    layer = stretch.last
    options = {"dtype": _policy(layer)}
    if wish.how == "concatenate":
        axis = 1 if is_channels_first(layer) else -1
        name = unique(f"{layer.name}_concat")
        return layers.Concatenate(axis=axis, name=name, **options)([x, y])
    if wish.scale is not None:
        y = _scaled(y, wish.scale, unique(f"{layer.name}_scale"), options)
    if stretch.shapes[0] != stretch.shapes[1]:
        x = _projected(x, stretch, wish.project, unique(f"{layer.name}_shortcut"), options)
    return layers.Add(name=unique(f"{layer.name}_add"), **options)([x, y])


def _policy(layer: Any) -> Any:
    """The policy of a layer, without quantization: only layers with a kernel know how to."""
    policy: Any = getattr(layer, "dtype_policy", None)
    is_quantized = getattr(policy, "quantization_mode", None)
    return policy.name.rpartition("_from_")[2] if is_quantized else policy


def _scaled(y, scale: float | str, name: str, options: dict):
    """The branch times a number, or times a scalar that is learned and starts at 0.

    The scalar is the kernel of an `EinsumDense` that sums over an axis of one element: of all
    layers of Keras the one that multiplies a tensor of any shape by one weight.
    """
    if scale != "learned":
        return layers.Rescaling(scale, name=name, **options)(y)
    letters = "abcdefgh"[: len(y.shape)]
    widened = ops.expand_dims(y, -1)
    # The names of operations are counted from anew in each session, and may be taken.
    widened._keras_history.operation.name = f"{name}_axis"
    return layers.EinsumDense(
        f"{letters}z,z->{letters}",
        output_shape=tuple(y.shape[1:]),
        kernel_initializer="zeros",
        name=name,
        **options,
    )(widened)


def _projected(x, stretch: Stretch, project: str | None, name: str, options: dict):
    """The input of a stretch in the shape of its output: shortcut A or B of He et al. 2015."""
    (start, end), layer = stretch.shapes, stretch.last
    strides = strides_between(start, end, layer)
    filters = end[0] if is_channels_first(layer) else end[-1]
    if project == "A":
        return zero_padded(x, filters, strides[0], name)
    norm = next((step.layer for step in stretch.steps[::-1] if step.kernels or
                 isinstance(step.layer, NORMALIZATIONS)), None)  # fmt: skip
    is_normalized = isinstance(norm, NORMALIZATIONS)
    options = {
        **options,
        "use_bias": not is_normalized and layer.use_bias,
        "kernel_initializer": _again(getattr(layer, "kernel_initializer", "glorot_uniform")),
        "name": name,
    }
    if isinstance(layer, PROJECTED):
        x = layers.Dense(filters, **options)(x)
    else:
        convolution = CONVOLUTIONS[len(start)]
        x = convolution(filters, 1, strides=strides, data_format=layer.data_format, **options)(x)
    return copied(norm, f"{name}_norm")(x) if is_normalized else x


def _again(initializer: Any) -> Any:
    """The initializer with a seed of its own, unless the user gave it one."""
    is_keras = isinstance(initializer, keras.initializers.Initializer)
    return type(initializer).from_config(initializer.get_config()) if is_keras else initializer
