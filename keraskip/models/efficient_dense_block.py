"""The dense block in little memory: concatenated and normalised maps are computed twice, not kept.

Source: Pleiss et al. 2017 (arXiv 1707.06990). The weights are the same as in `dense_block`.
"""

from keras import layers

from keraskip.models.channel_moments import ChannelMoments
from keraskip.models.densenet_layout import DenseLayout
from keraskip.models.recompute import RecomputedConvolutions
from keraskip.models.styled_layers import BATCH_NORM, channel_axis, channels


def efficient_dense_block(x, count: int, layout: DenseLayout, name: str):
    """Each layer concatenates all maps anew. Only the last concatenation is kept."""
    maps, moments = [x], None
    for index in range(1, count + 1):
        layer_name = f"{name}_layer{index}"
        moments = ChannelMoments(name=f"{layer_name}_moments")(maps[-1], moments)
        maps.append(efficient_dense_layer(maps, moments, layout, layer_name))
    return layers.Concatenate(axis=channel_axis(), name=f"{name}_layer{count}_concat")(maps)


def efficient_dense_layer(maps: list, moments, layout: DenseLayout, name: str):
    """The composite functions of a layer: all as one, but with dropout between them one by one."""
    if not layout.dropout_rate:
        return composites(maps, moments, layout.convolutions, layout, name)
    for index, convolution in layout.convolutions.items():
        maps, moments = [composites(maps, moments, {index: convolution}, layout, name)], None
    return maps[0]


def efficient_transition(x, layout: DenseLayout, name: str):
    """Fewer maps at half the size."""
    filters = int(layout.compression * channels(x))
    x = composites([x], None, {"": (filters, 1)}, layout, name)
    return layers.AveragePooling2D(2, name=f"{name}_pool")(x)


def composites(
    maps: list, moments, convolutions: dict[str, tuple[int, int]], layout: DenseLayout, name: str
):
    """Composite functions as one layer that keeps only its result, and dropout after it."""
    style = layout.style
    suffix = next(iter(convolutions)) if len(convolutions) == 1 else ""
    x = RecomputedConvolutions(
        [filters for filters, _ in convolutions.values()],
        [size for _, size in convolutions.values()],
        [style.initializer(f"{name}_conv{index}") for index in convolutions],
        style.activation,
        *BATCH_NORM[style.conventions],
        name=f"{name}_recomputed{suffix}",
    )(maps, moments)
    if layout.dropout_rate:
        x = layers.Dropout(layout.dropout_rate, name=f"{name}_drop{suffix}")(x)
    return x
