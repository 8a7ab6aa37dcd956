"""The layout of residual and plain networks: how many blocks, how wide, and where maps are halved.

Sources: He et al. 2015 (arXiv 1512.03385), section 4.2 and Table 1; He et al. 2016 (arXiv
1603.05027); for the rates at which blocks are skipped, Huang et al. 2016 (arXiv 1603.09382).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from keraskip.checks import check_choice, check_flag, check_integer, check_integers, check_rate
from keraskip.models.choices import VARIANTS
from keraskip.models.depths import IMAGENET_BASIC, IMAGENET_BOTTLENECK, RESIDUAL, choose_blocks
from keraskip.models.residual_block import Block
from keraskip.models.shortcuts import CAN_NARROW, SHORTCUTS
from keraskip.models.styled_layers import Style

# The convolutions of a block: width as a multiple of the stage's, and size. He 2015, Fig. 5.
BLOCKS = {"basic": ((1, 3), (1, 3)), "bottleneck": ((1, 1), (1, 3), (4, 1))}
# The blocks of each stage by depth.
IMAGENET_BLOCKS = {"basic": IMAGENET_BASIC.table, "bottleneck": IMAGENET_BOTTLENECK.table}
# He 2015, section 4.2 (CIFAR-10) and Table 1 (ImageNet); each stage but the first halves the map.
STAGE_FILTERS = {"small": (16, 32, 64), "imagenet": (64, 128, 256, 512)}
# He 2015, Table 1: ImageNet networks of this depth and deeper have bottlenecks.
FIRST_BOTTLENECK = 50
# The biases of keras.applications: in v1 everywhere, in v2 where no normalisation follows.
KERAS_BIASES = {"v1": "all", "preact": "unless normalised next"}


@dataclass(frozen=True)
class ResidualLayout:
    """All that lies between stem and head. Without a shortcut the network is plain."""

    stem: str
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
    def keras_v2(self) -> bool:
        """Whether the network is laid out as ResNetV2 of keras.applications.

        There the last block of a stage halves the map, and the stem has no activation.
        """
        return self.preact and self.style.conventions == "keras"

    @property
    def smallest_map(self) -> int:
        """Height and width that the first stage needs.

        The last map to be halved must have two pixels. Strided convolutions round up.
        """
        halvings = len(self.stage_blocks) - 1
        return 2 ** (halvings - 1) + 1 if halvings else 1

    @property
    def name(self) -> str:
        """The name of the network by default."""
        kind = "plain" if self.shortcut is None else "resnet"
        return f"{'preact_' if self.preact else ''}{kind}{self.depth}"

    def blocks(self, prefix: str) -> Iterator[Block]:
        """The blocks from first to last, with `prefix` in front of their names."""
        stages = zip(self.stage_blocks, self.filters, strict=True)
        total, number = sum(self.stage_blocks), 0
        for stage, (count, width) in enumerate(stages, start=1):
            for index in range(1, count + 1):
                number += 1
                yield Block(
                    f"{prefix}stage{stage}_block{index}",
                    self._convolutions(width, strides=2 if self._halves(stage, index) else 1),
                    self.style,
                    self.preact,
                    input_activated=not self.preact or (number == 1 and not self.keras_v2),
                    # Huang 2016, equation 4: early blocks, on which all others build, mostly stay.
                    drop_rate=self.stochastic_depth_rate * number / total,
                    zero_init=self.zero_init_residual,
                )

    def _halves(self, stage: int, index: int) -> bool:
        """Whether this block of the stage halves the map."""
        if self.keras_v2:
            return stage < len(self.stage_blocks) and index == self.stage_blocks[stage - 1]
        return stage > 1 and index == 1

    def _convolutions(self, width: int, strides: int) -> tuple[tuple[int, int, int], ...]:
        """Filters, size and strides of each convolution of a block."""
        sizes = [size for _, size in BLOCKS[self.block]]
        strided = sizes.index(3) if self.keras_v2 or self.variant == "v1.5" else 0
        return tuple(
            (width * factor, size, strides if index == strided else 1)
            for index, (factor, size) in enumerate(BLOCKS[self.block])
        )

    @property
    def application(self) -> str | None:
        """The network of keras.applications that has the same weights, if there is one."""
        if self.block != "bottleneck" or not self._is_published("keras"):
            return None
        return f"ResNet{self.depth}{'V2' if self.preact else ''}"

    @property
    def torchvision(self) -> str | None:
        """The network of torchvision that has the same weights, if there is one.

        Its bottlenecks have the stride in the 3x3 convolution.
        """
        variants = ("v1.5",) if self.block == "bottleneck" else ("v1", "v1.5")
        if self.variant not in variants or not self._is_published("paper"):
            return None
        return f"resnet{self.depth}"

    def _is_published(self, conventions: str) -> bool:
        """Whether stages, skips and layers follow He 2015, Table 1."""
        if self.stem != "imagenet":
            return False
        published = replace(
            self,
            shortcut="B",
            filters=STAGE_FILTERS["imagenet"],
            stage_blocks=IMAGENET_BLOCKS[self.block].get(self.depth, (1,) * 4),
            style=replace(
                self.style, activation="relu", normalization="batch", conventions=conventions
            ),
        )
        return self == published


def plan(
    stem: str, depth: Any, variant: str, block: Any, stage_blocks: Any, filters: Any,
    activation: Any, normalization: Any, kernel_initializer: Any, conventions: str,
) -> ResidualLayout:  # fmt: skip
    """The layout that the arguments of a builder describe, as yet without skips."""
    check_choice("variant", variant, VARIANTS)
    if depth is not None:
        depth = check_integer("depth", depth)
    if block is None:
        is_large = stem == "imagenet" and (depth or 0) >= FIRST_BOTTLENECK
        block = "bottleneck" if is_large else "basic"
    check_choice("block", block, tuple(BLOCKS))
    if conventions == "keras" and variant not in KERAS_BIASES:
        raise ValueError(
            f"conventions='keras' is for variant {tuple(KERAS_BIASES)}. "
            f"Received: variant={variant!r} (nearest: 'v1')"
        )
    bias = KERAS_BIASES[variant] if conventions == "keras" else "none"
    style = Style(activation, normalization, kernel_initializer, conventions, bias)
    rule = RESIDUAL[stem, block]
    stage_blocks, depth = choose_blocks(depth, stage_blocks, rule, len(BLOCKS[block]))
    filters = STAGE_FILTERS[stem] if filters is None else check_integers("filters", filters)
    return ResidualLayout(stem, depth, variant, block, stage_blocks, filters, style)
