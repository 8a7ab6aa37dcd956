"""Blocks of convolutions in stages, with or without skips: what ResNets and their twins share.

Sources: He et al. 2015 (arXiv 1512.03385), He et al. 2016 (arXiv 1603.05027) and, for networks
that skip blocks in training, Huang et al. 2016 (arXiv 1603.09382).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import keras
from keras import layers

from keraskip.checks import (
    check_choice,
    check_flag,
    check_integer,
    check_integers,
    check_rate,
)
from keraskip.models import pretrained
from keraskip.models.blocks import Style, activate, convolve, normalize, preactivate
from keraskip.models.depths import IMAGENET_BOTTLENECK, RESIDUAL, choose_blocks
from keraskip.models.frame import Frame, uncollected
from keraskip.models.shortcuts import CAN_NARROW, SHORTCUTS, Junction

VARIANTS = ("v1", "v1.5", "preact")
# The convolutions of a block: width as a multiple of the stage's, and size. He 2015, Fig. 5.
BLOCKS = {"basic": ((1, 3), (1, 3)), "bottleneck": ((1, 1), (1, 3), (4, 1))}
# He 2015, section 4.2 (CIFAR-10) and Table 1 (ImageNet); each stage but the first halves the map.
STAGE_FILTERS = {"small": (16, 32, 64), "imagenet": (64, 128, 256, 512)}
# He 2015, Table 1: from here on ImageNet networks have bottlenecks.
FIRST_BOTTLENECK = 50
# How keras.applications sets biases: in v1 everywhere, in v2 where no normalisation follows.
KERAS_BIASES = {"v1": "all", "preact": "unless normalised next"}


class Unit(NamedTuple):
    """One block in its place."""

    name: str
    width: int
    strides: int
    activated: bool  # its input comes normalised and activated already
    drop_rate: float


@dataclass(frozen=True)
class Net:
    """Everything that stands between stem and head; without a shortcut it is plain."""

    depth: int
    variant: str
    block: str
    stage_blocks: tuple[int, ...]
    filters: tuple[int, ...]
    style: Style
    shortcut: str | None = None
    stochastic_depth_rate: float = 0.0
    zero_init_residual: bool = False

    def __post_init__(self) -> None:
        check_rate("stochastic_depth_rate", self.stochastic_depth_rate)
        check_flag("zero_init_residual", self.zero_init_residual)
        if self.shortcut is not None:
            check_choice("shortcut", self.shortcut, tuple(SHORTCUTS))
        if len(self.filters) != len(self.stage_blocks):
            raise ValueError(
                "filters must have one width for each stage. "
                f"Received: filters={self.filters}, stages of {self.stage_blocks} blocks"
            )
        if self.shortcut not in (None, *CAN_NARROW) and list(self.filters) != sorted(self.filters):
            raise ValueError(
                f"Shortcut {self.shortcut!r} appends zero channels, so filters must not fall; "
                f"shortcut='B' projects. Received: filters={self.filters} "
                f"(nearest: {tuple(sorted(self.filters))})"
            )

    @property
    def preact(self) -> bool:
        """Whether normalisation and activation come before each convolution."""
        return self.variant == "preact"

    @property
    def late(self) -> bool:
        """Whether it is laid out as v2 of keras.applications.

        There the last block of a stage halves the map, and no activation stands in the stem.
        """
        return self.preact and self.style.conventions == "keras"

    @property
    def strided(self) -> int:
        """Which convolution of a block takes the stride, counted from 1."""
        sizes = [size for _, size in BLOCKS[self.block]]
        return sizes.index(3) + 1 if self.late or self.variant == "v1.5" else 1

    def units(self) -> Iterator[Unit]:
        """The blocks from first to last."""
        total, count = sum(self.stage_blocks), 0
        stages = list(zip(self.stage_blocks, self.filters, strict=True))
        for stage, (blocks, width) in enumerate(stages, start=1):
            halving = (blocks if stage < len(stages) else 0) if self.late else int(stage > 1)
            for block in range(1, blocks + 1):
                count += 1
                yield Unit(
                    f"stage{stage}_block{block}",
                    width,
                    strides=2 if block == halving else 1,
                    activated=not self.preact or (count == 1 and not self.late),
                    # Huang 2016, equation 4: the first blocks, from which all others draw, stay.
                    drop_rate=self.stochastic_depth_rate * count / total,
                )


def plan(
    frame: Frame, depth: Any, variant: str, block: Any, stage_blocks: Any, filters: Any,
    activation: Any, normalization: Any, kernel_initializer: Any, conventions: str,
) -> Net:  # fmt: skip
    """The network that the arguments of a builder describe, as yet without skips."""
    check_choice("variant", variant, VARIANTS)
    if depth is not None:
        depth = check_integer("depth", depth)
    if block is None:
        large = frame.stem == "imagenet" and (depth or 0) >= FIRST_BOTTLENECK
        block = "bottleneck" if large else "basic"
    check_choice("block", block, tuple(BLOCKS))
    if conventions == "keras" and variant not in KERAS_BIASES:
        raise ValueError(
            f"conventions='keras' is for variant {tuple(KERAS_BIASES)}. "
            f"Received: variant={variant!r} (nearest: 'v1')"
        )
    bias = KERAS_BIASES[variant] if conventions == "keras" else "none"
    style = Style(activation, normalization, kernel_initializer, conventions, bias)
    rule = RESIDUAL[frame.stem, block]
    stage_blocks, depth = choose_blocks(depth, stage_blocks, rule, len(BLOCKS[block]))
    filters = STAGE_FILTERS[frame.stem] if filters is None else check_integers("filters", filters)
    return Net(depth, variant, block, stage_blocks, filters, style)


@uncollected()
def build(net: Net, frame: Frame, weights: pretrained.Weights, kind: str) -> keras.Model:
    """The model, with its weights."""
    halvings = len(net.stage_blocks) - 1
    # What is halved must have two pixels; strided convolutions round up.
    frame.check_size(smallest_map=2 ** (halvings - 1) + 1 if halvings else 1)
    application = _application(net, frame)
    pretrained.check(weights, frame, application)
    inputs = frame.inputs()
    x = frame.begin(inputs, net.filters[0], net.style, activated=not net.late)
    for unit in net.units():
        x = _block(x, unit, net)
    if net.preact:
        x = preactivate(x, net.style, "head")
    prefix = "preact_" if net.preact else ""
    model = frame.finish(inputs, x, net.style, f"{prefix}{kind}{net.depth}")
    return pretrained.load(model, weights, frame, application)


def _block(x, unit: Unit, net: Net):
    """He 2015, Fig. 2, and He 2016, Fig. 4e: a residual branch and the shortcut around it.

    In pre-activation networks a projection starts from the activated input (He 2016, appendix).
    """
    source = x if unit.activated else preactivate(x, net.style, unit.name, "1")
    y = _convolutions(source, unit, net)
    if net.shortcut:
        if unit.drop_rate:
            y = _drop(y, unit)
        width = unit.width * BLOCKS[net.block][-1][0]
        to = Junction(unit.name, width, unit.strides, net.style, normalized=not net.preact)
        # The first pre-activated block takes the stem's activation for both of its paths.
        y = SHORTCUTS[net.shortcut](x, source, y, to)
    return y if net.preact else activate(y, net.style, f"{unit.name}_act{len(BLOCKS[net.block])}")


def _convolutions(x, unit: Unit, net: Net):
    """A block's convolutions with what stands between them."""
    last = len(BLOCKS[net.block])
    for index, (factor, size) in enumerate(BLOCKS[net.block], start=1):
        ends = index == last
        if net.preact and index > 1:
            x = preactivate(x, net.style, unit.name, str(index))
        style = net.style
        if ends and net.zero_init_residual and (net.preact or style.normalization is None):
            style = replace(style, kernel_initializer="zeros")
        x = convolve(
            x,
            unit.width * factor,
            size,
            style,
            f"{unit.name}_conv{index}",
            unit.strides if index == net.strided else 1,
            normalized=not (net.preact and ends),
        )
        if not net.preact:
            gamma = "zeros" if ends and net.zero_init_residual else "ones"
            x = normalize(x, net.style, f"{unit.name}_norm{index}", gamma)
            x = x if ends else activate(x, net.style, f"{unit.name}_act{index}")
    return x


def _drop(y, unit: Unit):
    """Huang 2016, section 3: the batch skips the block, or it passes the branch unscaled.

    Keras' dropout divides by the share it keeps; multiplying by it gives the paper's rule for
    training (all or nothing) and for testing (the branch times the share).
    """
    y = layers.Dropout(unit.drop_rate, noise_shape=(1, 1, 1, 1), name=f"{unit.name}_drop")(y)
    return layers.Rescaling(1 - unit.drop_rate, name=f"{unit.name}_keep")(y)


def _application(net: Net, frame: Frame) -> str | None:
    """The network of keras.applications that has the same weights, if there is one."""
    published = replace(
        net,
        block="bottleneck",
        shortcut="B",
        filters=STAGE_FILTERS["imagenet"],
        stage_blocks=IMAGENET_BOTTLENECK.table.get(net.depth, (1,) * 4),
        style=replace(net.style, activation="relu", normalization="batch", conventions="keras"),
    )
    same = frame.stem == "imagenet" and net == published
    return f"ResNet{net.depth}{'V2' if net.preact else ''}" if same else None
