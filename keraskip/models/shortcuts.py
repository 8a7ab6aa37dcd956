"""All shortcuts by name: A, B and C of `residual_block`, and variants of the identity.

He et al. 2016 (arXiv 1603.05027), section 3.1 and Table 1, compare these variants with the clean
identity. The exclusive gate comes from Highway networks (Srivastava et al. 2015, arXiv
1505.00387). Where a block changes the shape, the variants use shortcut A, which has no weights.
"""

import keras
from keras import layers

from keraskip.models.residual_block import (
    Block,
    Shortcut,
    identity,
    shortcut_a,
    shortcut_b,
    shortcut_c,
)

# He 2016, Table 1: both paths halved, and the shortcut dropped half of the time.
SCALE = 0.5
DROP_RATE = 0.5
# He 2016, Table 1: the best of the initial biases tried. The gate begins nearly closed and passes
# nearly all of the identity.
GATE_BIAS = -6.0


def constant_scaling(x, activated, y, block: Block):
    """Both paths times a constant."""
    skip = layers.Rescaling(SCALE, name=f"{block.name}_shortcut_scale")(identity(x, block))
    return skip, layers.Rescaling(SCALE, name=f"{block.name}_scale")(y)


def exclusive_gating(x, activated, y, block: Block):
    """The gate opens one path as it closes the other: g F(x) + (1 - g) x."""
    gate = _gate(x, block)
    y = layers.Multiply(name=f"{block.name}_gated")([gate, y])
    return _gated_identity(x, gate, block), y


def shortcut_only_gating(x, activated, y, block: Block):
    """The gate closes the shortcut alone: F(x) + (1 - g) x."""
    return _gated_identity(x, _gate(x, block), block), y


def dropout(x, activated, y, block: Block):
    """Dropout on the identity."""
    return layers.Dropout(DROP_RATE, name=f"{block.name}_shortcut_drop")(identity(x, block)), y


def _gate(x, block: Block):
    """He 2016, section 3.1: the gate g(x), a 1x1 convolution and a sigmoid."""
    return layers.Conv2D(
        block.filters,
        1,
        strides=block.strides,
        activation="sigmoid",
        kernel_initializer=block.style.initializer(f"{block.name}_gate"),
        bias_initializer=keras.initializers.Constant(GATE_BIAS),
        name=f"{block.name}_gate",
    )(x)


def _gated_identity(x, gate, block: Block):
    carry = layers.Rescaling(-1.0, offset=1.0, name=f"{block.name}_carry")(gate)
    return layers.Multiply(name=f"{block.name}_shortcut_gated")([carry, identity(x, block)])


SHORTCUTS: dict[str, Shortcut] = {
    "A": shortcut_a,
    "B": shortcut_b,
    "C": shortcut_c,
    "constant_scaling": constant_scaling,
    "exclusive_gating": exclusive_gating,
    "shortcut_only_gating": shortcut_only_gating,
    "dropout": dropout,
}
# The others append zero channels, which cannot make a map narrower.
CAN_NARROW = ("B", "C")
