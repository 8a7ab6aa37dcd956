"""Which layers a skip can lead around, and what they do to shape and sign."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from keraskip.graph import maker
from keraskip.models.styled_layers import channel_axis

NORMALIZATIONS = (
    layers.BatchNormalization,
    layers.GroupNormalization,
    layers.LayerNormalization,
    layers.RMSNormalization,
    layers.UnitNormalization,
)
ACTIVATIONS = (
    layers.Activation,
    layers.ELU,
    layers.LeakyReLU,
    layers.PReLU,
    layers.ReLU,
    layers.Softmax,
)
DROPOUTS = (
    layers.Dropout,
    layers.AlphaDropout,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.SpatialDropout1D,
    layers.SpatialDropout2D,
    layers.SpatialDropout3D,
)
# What belongs to the layer with a kernel before it, or in pre-activation to the one behind it.
AROUND_KERNELS = (*NORMALIZATIONS, *ACTIVATIONS, *DROPOUTS)
PADDINGS = (layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D)
POOLINGS = (
    layers.AveragePooling1D,
    layers.AveragePooling2D,
    layers.AveragePooling3D,
    layers.GlobalAveragePooling1D,
    layers.GlobalAveragePooling2D,
    layers.GlobalAveragePooling3D,
    layers.GlobalMaxPooling1D,
    layers.GlobalMaxPooling2D,
    layers.GlobalMaxPooling3D,
    layers.MaxPooling1D,
    layers.MaxPooling2D,
    layers.MaxPooling3D,
)
# By the number of axes of one sample.
CONVOLUTIONS = {2: layers.Conv1D, 3: layers.Conv2D, 4: layers.Conv3D}
RECURRENT = (layers.SimpleRNN, layers.GRU, layers.LSTM)
# By class and not by inheritance: a subclass may compute something else.
WIDENED = (layers.Dense, *CONVOLUTIONS.values(), *RECURRENT)
PROJECTED = (layers.Dense, *RECURRENT)


def same_positions(start: tuple, end: tuple, layer: Any) -> bool:
    """Whether two shapes of one sample differ in nothing but the channels."""
    return _positions(start, layer) == _positions(end, layer)


def can_widen(following: Sequence[Any], layer: Any, shared: set[int]) -> bool:
    """Whether all that follows a layer, up to the next one with a kernel, takes more channels.

    Args:
        following: the layers.
        layer: the layer before.
        shared: the ids of layers that are called more than once.
    """
    if not following or shared & set(map(id, following)):
        return False
    *between, last = following
    # Groups of channels may not be what more channels can be divided into.
    grouped = any(isinstance(each, layers.GroupNormalization) for each in between)
    return (
        all(isinstance(each, (*AROUND_KERNELS, *PADDINGS, *POOLINGS)) for each in between)
        and not grouped
        and type(last) in WIDENED
        and getattr(last, "groups", 1) == 1
        and is_channels_first(last) == is_channels_first(layer)
    )


def can_project(start: tuple, end: tuple, layer: Any, project: str | None) -> bool:
    """Whether a shortcut can lead from one shape of a sample to the other.

    Args:
        start: the shape in front.
        end: the shape behind.
        layer: the last layer with a kernel before the end.
        project: the kind of shortcut, A or B of He et al. 2015.
    """
    if len(start) != len(end):
        return False
    strides = strides_between(start, end, layer)
    if project == "A":
        channels = -1 if channel_axis() == -1 else 0
        usual = is_channels_first(layer) == (channel_axis() == 1)
        square = len(start) == 3 and len(set(strides)) == 1
        return square and usual and all(strides) and start[channels] <= end[channels]
    if isinstance(layer, PROJECTED):
        return set(strides) <= {1}
    return len(start) in CONVOLUTIONS and hasattr(layer, "kernel_size") and all(strides)


def _positions(shape: tuple, layer: Any) -> tuple:
    return shape[1:] if is_channels_first(layer) else shape[:-1]


def is_channels_first(layer: Any) -> bool:
    """Whether the layer keeps channels in front of positions."""
    return getattr(layer, "data_format", None) == "channels_first"


def strides_between(start: tuple, end: tuple, layer: Any) -> tuple[int, ...]:
    """How many positions become one, along each axis; 0 where it is no whole number."""
    pairs = zip(_positions(start, layer), _positions(end, layer), strict=True)
    return tuple(map(_stride, *zip(*pairs, strict=True))) if len(start) > 1 else ()


def _stride(before: int, behind: int) -> int:
    stride = -(-before // behind)
    return stride if -(-before // stride) == behind else 0


def is_relu(layer: Any) -> bool:
    """Whether the layer is an activation that leaves positive numbers as they are, and no others.

    Only such a layer changes nothing when it is applied twice.
    """
    if isinstance(layer, layers.ReLU):
        return not (layer.max_value or layer.negative_slope or layer.threshold)
    return isinstance(layer, layers.Activation) and layer.activation is keras.activations.relu


def is_never_negative(tensor: Any, sums: dict[int, bool]) -> bool:
    """Whether a tensor comes out of a ReLU, or out of layers behind one that make no sign negative.

    Args:
        tensor: a tensor in a graph.
        sums: whether the tensors to which a skip is added are never negative, by their ids.
    """
    while id(tensor) not in sums:
        node = maker(tensor)
        activation = getattr(node.operation, "activation", None)
        if is_relu(node.operation) or (
            type(node.operation) in WIDENED and activation is keras.activations.relu
        ):
            return True
        if not isinstance(node.operation, (*PADDINGS, *POOLINGS, layers.Dropout)):
            return False
        tensor = node.input_tensors[0]
    return sums[id(tensor)]
