"""Ways to join what enters a block with what its convolutions made of it.

`A`, `B` and `C` are He et al. 2015 (arXiv 1512.03385), section 3.3. The others are the variants
that He et al. 2016 (arXiv 1603.05027), section 3.1 and Table 1, compare with the clean identity;
the exclusive gate is that of Highway networks (Srivastava et al. 2015, arXiv 1505.00387). Where
a block changes the shape, those start from shortcut A, which brings no weights of its own.
"""

from typing import NamedTuple

import keras
from keras import layers

from keraskip.models.blocks import Style, channel_axis, channels, convolve, normalize

# He 2016, Table 1: both paths halved, and the shortcut dropped half of the time.
SCALE = 0.5
DROP_RATE = 0.5
# He 2016, Table 1: the best of the initial biases tried. The gate begins nearly closed, so that
# nearly all of the identity passes.
GATE_BIAS = -6.0


class Junction(NamedTuple):
    """The block whose end a shortcut joins."""

    name: str
    filters: int  # of the output
    strides: int
    style: Style
    normalized: bool  # whether a projection is followed by normalisation, as in v1


def _identity(x, to: Junction):
    """Shortcut A: every second pixel, then zero channels up to the number needed.

    Keras pads only the spatial axes, so the channels change places with one of them for a moment.
    """
    name, missing = f"{to.name}_shortcut", to.filters - channels(x)
    if to.strides > 1:
        x = layers.AveragePooling2D(1, strides=to.strides, name=f"{name}_subsample")(x)
    if not missing:
        return x
    swap = (2, 1, 3) if channel_axis() == 1 else (3, 2, 1)
    x = layers.Permute(swap, name=f"{name}_to_front")(x)
    x = layers.ZeroPadding2D(((0, missing), (0, 0)), name=f"{name}_pad")(x)
    return layers.Permute(swap, name=f"{name}_to_back")(x)


def _project(x, to: Junction):
    """A 1x1 convolution."""
    name = f"{to.name}_shortcut"
    x = convolve(x, to.filters, 1, to.style, f"{name}_conv", to.strides, to.normalized)
    return normalize(x, to.style, f"{name}_norm") if to.normalized else x


def _gate(x, to: Junction):
    """g(x) of He 2016, section 3.1: a 1x1 convolution and a sigmoid."""
    return layers.Conv2D(
        to.filters,
        1,
        strides=to.strides,
        activation="sigmoid",
        kernel_initializer=to.style.initializer(f"{to.name}_gate"),
        bias_initializer=keras.initializers.Constant(GATE_BIAS),
        name=f"{to.name}_gate",
    )(x)


def _add(skip, y, to: Junction):
    return layers.Add(name=f"{to.name}_add")([skip, y])


def join_a(x, source, y, to: Junction):
    """The identity, zero channels where it is too narrow."""
    return _add(_identity(x, to), y, to)


def join_b(x, source, y, to: Junction):
    """The identity, a projection where the shape changes.

    In the networks of keras.applications a step that only makes the maps smaller needs none.
    """
    projects_subsampling = to.strides > 1 and to.style.conventions == "paper"
    if channels(x) != to.filters or projects_subsampling:
        return join_c(x, source, y, to)
    return join_a(x, source, y, to)


def join_c(x, source, y, to: Junction):
    """A projection in every block (He 2016, Table 1: "1x1 conv shortcut")."""
    return _add(_project(source, to), y, to)


def join_scaled(x, source, y, to: Junction):
    """Both paths times a constant."""
    skip = layers.Rescaling(SCALE, name=f"{to.name}_shortcut_scale")(_identity(x, to))
    return _add(skip, layers.Rescaling(SCALE, name=f"{to.name}_scale")(y), to)


def join_exclusive(x, source, y, to: Junction):
    """The gate opens one path as it closes the other: g F(x) + (1 - g) x."""
    gate = _gate(x, to)
    y = layers.Multiply(name=f"{to.name}_gated")([gate, y])
    return _add(_gated_identity(x, gate, to), y, to)


def join_gated(x, source, y, to: Junction):
    """The gate closes the shortcut alone: F(x) + (1 - g) x."""
    return _add(_gated_identity(x, _gate(x, to), to), y, to)


def _gated_identity(x, gate, to: Junction):
    carry = layers.Rescaling(-1.0, offset=1.0, name=f"{to.name}_carry")(gate)
    return layers.Multiply(name=f"{to.name}_shortcut_gated")([carry, _identity(x, to)])


def join_dropped(x, source, y, to: Junction):
    """Dropout on the identity."""
    skip = layers.Dropout(DROP_RATE, name=f"{to.name}_shortcut_drop")(_identity(x, to))
    return _add(skip, y, to)


SHORTCUTS = {
    "A": join_a,
    "B": join_b,
    "C": join_c,
    "constant_scaling": join_scaled,
    "exclusive_gating": join_exclusive,
    "shortcut_only_gating": join_gated,
    "dropout": join_dropped,
}
# The others append zero channels, which cannot make a map narrower.
CAN_NARROW = ("B", "C")
