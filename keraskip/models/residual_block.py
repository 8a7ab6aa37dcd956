"""The residual block: a branch of convolutions, a shortcut around it, and their sum.

Sources: He et al. 2015 (arXiv 1512.03385), section 3.3 and Fig. 2; He et al. 2016 (arXiv
1603.05027), Fig. 4e; for blocks that training skips, Huang et al. 2016 (arXiv 1603.09382).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

from keras import layers

from keraskip.models.styled_layers import (
    Style,
    activate,
    channel_axis,
    channels,
    convolve,
    normalize,
    preactivate,
)


class Block(NamedTuple):
    """The numbers of one block."""

    name: str
    convolutions: tuple[tuple[int, int, int], ...]  # filters, kernel size and strides of each
    style: Style
    preact: bool  # normalisation and activation come before each convolution
    input_activated: bool  # the input is normalised and activated already
    drop_rate: float = 0.0  # share of batches in training that skip the branch
    zero_init: bool = False  # the branch begins with an output of zeros

    @property
    def filters(self) -> int:
        """Number of maps of the output."""
        return self.convolutions[-1][0]

    @property
    def strides(self) -> int:
        """Divisor of height and width."""
        return max(strides for _, _, strides in self.convolutions)


# A shortcut takes the block's input, the same activated, the branch's output and the block. It
# returns the two tensors to add: the skip and the branch.
Shortcut: TypeAlias = Callable[[Any, Any, Any, Block], tuple[Any, Any]]


def residual_block(x, block: Block, shortcut: Shortcut | None):
    """A branch and the shortcut around it; in a plain network the branch alone.

    v1 activates the sum (He 2015, Fig. 2), pre-activation the block's input (He 2016, Fig. 4e).
    """
    activated = x if block.input_activated else preactivate(x, block.style, block.name, "1")
    y = preact_branch(activated, block) if block.preact else branch(activated, block)
    if shortcut is not None:
        skip, y = shortcut(x, activated, drop(y, block), block)
        y = layers.Add(name=f"{block.name}_add")([skip, y])
    if not block.preact:
        y = activate(y, block.style, f"{block.name}_act{len(block.convolutions)}")
    return y


def branch(x, block: Block):
    """The residual branch of v1: convolution, normalisation, activation; the sum has the last."""
    for index, (filters, size, strides) in enumerate(block.convolutions, start=1):
        is_last = index == len(block.convolutions)
        style = last_style(block) if is_last else block.style
        x = convolve(x, filters, size, style, f"{block.name}_conv{index}", strides)
        gamma = "zeros" if is_last and block.zero_init else "ones"
        x = normalize(x, block.style, f"{block.name}_norm{index}", gamma)
        if not is_last:
            x = activate(x, block.style, f"{block.name}_act{index}")
    return x


def preact_branch(x, block: Block):
    """The residual branch of pre-activation: its convolutions, from an activated input."""
    for index, (filters, size, strides) in enumerate(block.convolutions, start=1):
        if index > 1:
            x = preactivate(x, block.style, block.name, str(index))
        is_last = index == len(block.convolutions)
        style = last_style(block) if is_last else block.style
        name = f"{block.name}_conv{index}"
        x = convolve(x, filters, size, style, name, strides, normalized=not is_last)
    return x


def identity(x, block: Block):
    """The input itself; where the shape changes, every second pixel with zero channels appended."""
    return zero_padded(x, block.filters, block.strides, f"{block.name}_shortcut")


def zero_padded(x, filters: int, strides: int, name: str):
    """The maps in `x` at every n-th pixel, n the stride, with zero channels appended."""
    missing = filters - channels(x)
    if strides > 1:
        x = layers.AveragePooling2D(1, strides=strides, name=f"{name}_subsample")(x)
    if missing:
        # Keras pads only spatial axes: the channels change places with one of them for a moment.
        swap = (2, 1, 3) if channel_axis() == 1 else (3, 2, 1)
        x = layers.Permute(swap, name=f"{name}_to_front")(x)
        x = layers.ZeroPadding2D(((0, missing), (0, 0)), name=f"{name}_pad")(x)
        x = layers.Permute(swap, name=f"{name}_to_back")(x)
    return x


def projection(x, block: Block):
    """A 1x1 convolution, in v1 followed by normalisation."""
    name, normalized = f"{block.name}_shortcut", not block.preact
    x = convolve(x, block.filters, 1, block.style, f"{name}_conv", block.strides, normalized)
    return normalize(x, block.style, f"{name}_norm") if normalized else x


def shortcut_a(x, activated, y, block: Block):
    """He 2015, option A: the identity everywhere."""
    return identity(x, block), y


def shortcut_b(x, activated, y, block: Block):
    """He 2015, option B: the identity, but a projection where the shape changes.

    In the networks of keras.applications a step that only makes the maps smaller needs none.
    """
    needs_projection = block.strides > 1 and block.style.conventions == "paper"
    if channels(x) != block.filters or needs_projection:
        return projection(activated, block), y
    return identity(x, block), y


def shortcut_c(x, activated, y, block: Block):
    """He 2015, option C: a projection in every block."""
    return projection(activated, block), y


def last_style(block: Block) -> Style:
    """The style of the last convolution. Its kernel begins at zero if no gamma can."""
    if block.zero_init and (block.preact or block.style.normalization is None):
        return replace(block.style, kernel_initializer="zeros")
    return block.style


def drop(y, block: Block):
    """Huang 2016, section 3: a batch in training passes the branch whole or skips it.

    Keras' dropout divides by the share that it keeps. Multiplying by this share gives the paper's
    rule for training (all or nothing) and for testing (the branch times the share).
    """
    if block.drop_rate:
        y = layers.Dropout(block.drop_rate, noise_shape=(1, 1, 1, 1), name=f"{block.name}_drop")(y)
        y = layers.Rescaling(1 - block.drop_rate, name=f"{block.name}_keep")(y)
    return y
