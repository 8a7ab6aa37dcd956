"""Which depths a family of networks has, and what to say about the others."""

from typing import NamedTuple


class DepthRule(NamedTuple):
    """Depths `step * n + offset`, where n counts the blocks (or dense layers) of each stage."""

    network: str
    step: int
    offset: int

    def blocks(self, depth: int) -> int:
        """Blocks per stage of a network of this depth; ValueError names the nearest valid depths."""
        if isinstance(depth, bool) or not isinstance(depth, int):
            raise TypeError(f"depth must be an integer. Received: depth={depth!r}")
        blocks, rest = divmod(depth - self.offset, self.step)
        if rest or blocks < 1:
            nearest = ", ".join(str(valid) for valid in self._around(depth))
            raise ValueError(
                f"The depth of {self.network} is {self.step}n+{self.offset} with n >= 1. "
                f"Received: depth={depth} (nearest: {nearest})"
            )
        return blocks

    def nearest(self, depth: int) -> int:
        """The valid depth closest to `depth`, the smaller one of two equally close."""
        return min(self._around(depth), key=lambda valid: (abs(valid - depth), valid))

    def _around(self, depth: int) -> list[int]:
        below = (depth - self.offset) // self.step
        return sorted({max(1, n) * self.step + self.offset for n in (below, below + 1)})


# He et al. 2015 (arXiv 1512.03385), section 4.2: 6n+2 layers in three stages of n two-layer blocks.
BASIC = DepthRule("a plain or residual network of basic blocks", 6, 2)
# Huang et al. 2017 (arXiv 1608.06993), section 3: three dense blocks, a first convolution, two
# transitions and the classifier; a bottleneck layer holds two convolutions.
DENSE = DepthRule("a DenseNet", 3, 4)
DENSE_BOTTLENECK = DepthRule("a DenseNet with bottleneck layers", 6, 4)
