"""The depths of each family of networks, and messages that refuse all others."""

from typing import NamedTuple

from keraskip.checks import check_integer, check_integers


class DepthRule(NamedTuple):
    """Depths `step * n + offset`, where n counts the blocks (or dense layers) of each stage."""

    network: str
    step: int
    offset: int

    def blocks(self, depth: int) -> tuple[int, ...]:
        """Number of blocks of each of the three stages; ValueError names the nearest depths."""
        depth = check_integer("depth", depth)
        blocks, rest = divmod(depth - self.offset, self.step)
        if rest or blocks < 1:
            nearest = ", ".join(str(valid) for valid in self._around(depth))
            raise ValueError(
                f"The depth of {self.network} is {self.step}n+{self.offset} with n >= 1. "
                f"Received: depth={depth} (nearest: {nearest})"
            )
        return (blocks,) * 3

    def nearest(self, depth: int) -> int:
        """The valid depth closest to `depth`; of two equally close ones the smaller."""
        return min(self._around(depth), key=lambda valid: (abs(valid - depth), valid))

    def _around(self, depth: int) -> list[int]:
        below = (depth - self.offset) // self.step
        return sorted({max(1, n) * self.step + self.offset for n in (below, below + 1)})


class DepthTable(NamedTuple):
    """Depths that a paper lists, with the blocks of each stage."""

    network: str
    table: dict[int, tuple[int, ...]]

    def blocks(self, depth: int) -> tuple[int, ...]:
        """Number of blocks of each stage; ValueError names the depths in the table."""
        depth = check_integer("depth", depth)
        if depth not in self.table:
            nearest = min(self.table, key=lambda listed: (abs(listed - depth), listed))
            raise ValueError(
                f"The depth of {self.network} is one of {tuple(self.table)}, others need "
                f"stage_blocks. Received: depth={depth} (nearest: {nearest})"
            )
        return self.table[depth]


def choose_blocks(
    depth: int | None,
    stage_blocks: object,
    rule: DepthRule | DepthTable,
    block_depth: int,
    transition_depth: int = 0,
) -> tuple[tuple[int, ...], int]:
    """The blocks of each stage and the depth, from one of the two, or from both if they agree.

    A network has two weighted layers for its first convolution and its classifier, `block_depth`
    for each block and `transition_depth` for each step from stage to stage.
    """
    if stage_blocks is None:
        if depth is None:
            raise ValueError(
                f"The depth of {rule.network} must be given, or stage_blocks. "
                "Received: depth=None, stage_blocks=None"
            )
        return rule.blocks(depth), check_integer("depth", depth)
    blocks = check_integers("stage_blocks", stage_blocks)
    counted = 2 + block_depth * sum(blocks) + transition_depth * (len(blocks) - 1)
    if depth is not None and check_integer("depth", depth) != counted:
        raise ValueError(
            f"depth and stage_blocks must agree: stage_blocks={blocks} has {counted} weighted "
            f"layers. Received: depth={depth} (nearest: {counted}, or depth=None)"
        )
    return blocks, counted


# He et al. 2015 (arXiv 1512.03385), section 4.2: three stages of n blocks, two layers in each.
BASIC = DepthRule("a plain or residual network of basic blocks", 6, 2)
# He et al. 2016 (arXiv 1603.05027), section 4.1: three layers in each, as in ResNet-164.
BOTTLENECK = DepthRule("a plain or residual network of bottleneck blocks", 9, 2)
# He et al. 2015, Table 1; ResNet-200 is He et al. 2016, appendix.
IMAGENET_BASIC = DepthTable(
    "an ImageNet network of basic blocks", {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
)
IMAGENET_BOTTLENECK = DepthTable(
    "an ImageNet network of bottleneck blocks",
    {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3), 200: (3, 24, 36, 3)},
)
RESIDUAL: dict[tuple[str, str], DepthRule | DepthTable] = {
    ("small", "basic"): BASIC,
    ("small", "bottleneck"): BOTTLENECK,
    ("imagenet", "basic"): IMAGENET_BASIC,
    ("imagenet", "bottleneck"): IMAGENET_BOTTLENECK,
}

# Huang et al. 2017 (arXiv 1608.06993), section 3: three dense blocks, a first convolution, two
# transitions and the classifier; a bottleneck layer holds two convolutions.
DENSE = DepthRule("a DenseNet", 3, 4)
DENSE_BOTTLENECK = DepthRule("a DenseNet with bottleneck layers", 6, 4)
# Huang et al. 2017, Table 1; DenseNet-161 is from the authors' repository. All have bottlenecks.
# Counted like the others, DenseNet-264 has 265 layers.
IMAGENET_DENSE = DepthTable("an ImageNet DenseNet without bottleneck layers", {})
IMAGENET_DENSE_BOTTLENECK = DepthTable(
    "an ImageNet DenseNet",
    {
        121: (6, 12, 24, 16),
        161: (6, 12, 36, 24),
        169: (6, 12, 32, 32),
        201: (6, 12, 48, 32),
        264: (6, 12, 64, 48),
    },
)
DENSENET: dict[tuple[str, bool], DepthRule | DepthTable] = {
    ("small", False): DENSE,
    ("small", True): DENSE_BOTTLENECK,
    ("imagenet", False): IMAGENET_DENSE,
    ("imagenet", True): IMAGENET_DENSE_BOTTLENECK,
}
