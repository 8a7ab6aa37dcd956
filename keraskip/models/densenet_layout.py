"""The layout of DenseNets: how many layers, how many maps they add, and where maps are reduced.

Source: Huang et al. 2017 (arXiv 1608.06993).
"""

import math
from dataclasses import dataclass, replace
from typing import Any

from keraskip.checks import check_flag, check_integer, check_rate
from keraskip.models.depths import DENSENET, IMAGENET_DENSE_BOTTLENECK, choose_blocks
from keraskip.models.styled_layers import Style

# Section 3, "Bottleneck layers": the 1x1 convolution makes 4k maps.
BOTTLENECK_WIDTH = 4
# Section 3, "Implementation details": 16 maps enter the first block, in DenseNet-BC and on
# ImageNet twice the growth rate.
STEM_FILTERS = 16
# Table 2 (CIFAR) and Table 1 (ImageNet).
GROWTH_RATE = {"small": 12, "imagenet": 32}
# DenseNet-161 is wider.
WIDE_DEPTH, WIDE_GROWTH_RATE = 161, 48
IMAGENET_COMPRESSION = 0.5


@dataclass(frozen=True)
class DenseLayout:
    """All that lies between stem and head."""

    stem: str
    depth: int
    stage_blocks: tuple[int, ...]
    growth_rate: int
    bottleneck: bool
    compression: float
    dropout_rate: float
    memory_efficient: bool
    style: Style

    def __post_init__(self) -> None:
        check_flag("memory_efficient", self.memory_efficient)
        if self.memory_efficient and self.style.normalization != "batch":
            raise ValueError(
                "memory_efficient=True is for batch normalisation. "
                f"Received: normalization={self.style.normalization!r} (nearest: 'batch')"
            )
        self._check_transitions()

    def _check_transitions(self) -> None:
        """Refuse a compression that leaves no map."""
        maps = self.stem_filters
        for count in self.stage_blocks[:-1]:
            entering = maps + count * self.growth_rate
            maps = int(self.compression * entering)
            if not maps:
                raise ValueError(
                    f"compression must leave at least one of {entering} maps. "
                    f"Received: compression={self.compression} "
                    f"(nearest: {math.ceil(1000 / entering) / 1000})"
                )

    @property
    def letters(self) -> str:
        """The paper's letters: B for bottlenecks, C for compression."""
        return "b" * self.bottleneck + "c" * (self.compression < 1)

    @property
    def name(self) -> str:
        """The name of the network by default."""
        if self.stem == "imagenet":
            return f"densenet{self.depth}"
        letters = f"_{self.letters}" if self.letters else ""
        return f"densenet{letters}{self.depth}_k{self.growth_rate}"

    @property
    def stem_filters(self) -> int:
        """Number of maps that enter the first dense block."""
        is_wide = self.stem == "imagenet" or self.letters == "bc"
        return 2 * self.growth_rate if is_wide else STEM_FILTERS

    @property
    def smallest_map(self) -> int:
        """Height and width that the first block needs, since transitions round down."""
        return 2 ** (len(self.stage_blocks) - 1)

    @property
    def convolutions(self) -> dict[str, tuple[int, int]]:
        """Filters and kernel size of each convolution of a layer, by the number in its name."""
        if self.bottleneck:
            return {"1": (BOTTLENECK_WIDTH * self.growth_rate, 1), "2": (self.growth_rate, 3)}
        return {"1": (self.growth_rate, 3)}

    @property
    def application(self) -> str | None:
        """The network of keras.applications that has the same weights, if there is one."""
        return f"DenseNet{self.depth}" if self._is_published("keras") else None

    @property
    def torchvision(self) -> str | None:
        """The network of torchvision that has the same weights, if there is one."""
        return f"densenet{self.depth}" if self._is_published("paper") else None

    def _is_published(self, conventions: str) -> bool:
        """Whether Table 1 has these blocks and layers."""
        if self.stem != "imagenet":
            return False
        published = replace(
            self,
            stage_blocks=IMAGENET_DENSE_BOTTLENECK.table.get(self.depth, ()),
            growth_rate=_imagenet_growth_rate(self.depth),
            bottleneck=True,
            compression=IMAGENET_COMPRESSION,
            style=Style("relu", "batch", self.style.kernel_initializer, conventions),
        )
        return self == published


def _imagenet_growth_rate(depth: Any) -> int:
    return WIDE_GROWTH_RATE if depth == WIDE_DEPTH else GROWTH_RATE["imagenet"]


def plan(
    stem: str, depth: Any, growth_rate: Any, bottleneck: Any, compression: Any,
    dropout_rate: Any, memory_efficient: Any, stage_blocks: Any,
    activation: Any, normalization: Any, kernel_initializer: Any, conventions: str,
) -> DenseLayout:  # fmt: skip
    """The layout that the arguments of the builder describe."""
    style = Style(activation, normalization, kernel_initializer, conventions)
    is_imagenet = stem == "imagenet"
    if bottleneck is None:
        bottleneck = is_imagenet
    check_flag("bottleneck", bottleneck)
    if growth_rate is None:
        growth_rate = _imagenet_growth_rate(depth) if is_imagenet else GROWTH_RATE[stem]
    if compression is None:
        compression = IMAGENET_COMPRESSION if is_imagenet else 1.0
    rule = DENSENET[stem, bottleneck]
    stage_blocks, depth = choose_blocks(
        depth, stage_blocks, rule, block_depth=1 + bottleneck, transition_depth=1
    )
    growth_rate = check_integer("growth_rate", growth_rate, minimum=1)
    compression = check_rate("compression", compression, zero=False)
    dropout_rate = check_rate("dropout_rate", dropout_rate)
    return DenseLayout(
        stem, depth, stage_blocks, growth_rate, bottleneck, compression, dropout_rate,
        memory_efficient, style,
    )  # fmt: skip
