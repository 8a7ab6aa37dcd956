"""The dense block: each layer appends its maps to all maps before it.

Source: Huang et al. 2017 (arXiv 1608.06993).
"""

from keras import layers

from keraskip.models.densenet_layout import DenseLayout
from keraskip.models.styled_layers import channel_axis, channels, convolve, preactivate


def dense_block(x, count: int, layout: DenseLayout, name: str):
    """Section 3, "Dense connectivity": each layer sees the maps of all layers before it."""
    for index in range(1, count + 1):
        y = dense_layer(x, layout, f"{name}_layer{index}")
        x = layers.Concatenate(axis=channel_axis(), name=f"{name}_layer{index}_concat")([x, y])
    return x


def dense_layer(x, layout: DenseLayout, name: str):
    """A composite function of 3x3, in a bottleneck layer after one of 1x1."""
    for index, (filters, size) in layout.convolutions.items():
        x = composite(x, filters, size, layout, name, index)
    return x


def transition(x, layout: DenseLayout, name: str):
    """Section 3, "Pooling layers" and "Compression": fewer maps at half the size."""
    x = composite(x, int(layout.compression * channels(x)), 1, layout, name)
    return layers.AveragePooling2D(2, name=f"{name}_pool")(x)


def composite(x, filters: int, size: int, layout: DenseLayout, name: str, index: str = ""):
    """Section 3, "Composite function": normalisation, activation, convolution; then dropout."""
    x = preactivate(x, layout.style, name, index)
    x = convolve(x, filters, size, layout.style, f"{name}_conv{index}")
    if layout.dropout_rate:
        x = layers.Dropout(layout.dropout_rate, name=f"{name}_drop{index}")(x)
    return x
