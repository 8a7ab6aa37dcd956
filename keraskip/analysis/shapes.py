"""The shape of a profile over depth: a line, a drop at one layer, a hole, a V, a peak."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import special

from keraskip.analysis.estimates import Estimate, contrast, fall
from keraskip.analysis.profiles import SMALLEST

# With fewer layers a shape of three numbers explains anything.
FEWEST_LAYERS = 5
# A hole is narrow: a few layers that differ from all the others.
WIDEST_HOLE = 12
# Of all shapes that could be fitted, one in a hundred profiles of a plain line takes a wrong one.
CHANCE = 0.01
# Layers are never more alike than this many orders of magnitude, so nothing is surer.
LEAST_SCATTER = 0.01
# Between the first and the last hidden layer a healthy signal stays within two orders of
# magnitude, and a shape that is smaller needs no name. This is a convention: SGD gives all layers
# one learning rate, and an end whose updates are more than a hundred times smaller stands still
# beside the other end.
HEALTHY_ORDERS = 2.0


@dataclass(frozen=True)
class Shape:
    """A fitted shape.

    Attributes:
        kind: `"line"`, `"drop"`, `"hole"`, `"V"` or `"peak"`, a V upside down.
        attenuation: how far the signal falls from the last layer to the first one.
        size: how far it falls at the drop, from the layers beside it into the hole, from the last
            layer to the lowest of the V, or rises to the peak; None for a line.
        first: index of the first layer of the low or, of a peak, the high part.
        last: index of the last one.
    """

    kind: str
    attenuation: Estimate
    size: Estimate | None = None
    first: int = 0
    last: int = 0


@dataclass(frozen=True)
class _Candidate:
    """A shape to try: a line plus a feature of one coefficient.

    Attributes:
        kind: as in `Shape`.
        first: as in `Shape`.
        last: as in `Shape`.
        feature: its heights [L].
        size: the factors of level, slope and feature in the size of the shape.
    """

    kind: str
    first: int
    last: int
    feature: np.ndarray
    size: np.ndarray


def shape_of(depth: np.ndarray, log_rms: np.ndarray) -> Shape | None:
    """The shape of several profiles of one network.

    A line, unless a shape with one more coefficient explains the layers much better (an F test,
    with Bonferroni's correction for the number of shapes tried), and is notably large.

    Args:
        depth: of the layers [L], in order.
        log_rms: log10 of the RMS gradients [R, L].

    Returns:
        None for fewer than three layers.
    """
    whole = fall(depth, log_rms)
    if whole is None:
        return None
    line = Shape("line", whole)
    # Where zeros are drawn at the smallest number there is, the edge is none of the network.
    if len(depth) < FEWEST_LAYERS or log_rms.min() <= np.log10(SMALLEST) + 1:
        return line
    for candidate in _convincing(depth, log_rms.mean(axis=0)):
        shape = _fitted(depth, log_rms, candidate)
        if shape:
            return shape
    return line


def _candidates(depth: np.ndarray, heights: np.ndarray) -> Iterator[_Candidate]:
    """The shapes whose edges, or arms, are notable in these heights."""
    index, ahead = np.arange(len(depth)), depth[-1] - depth
    steps = np.diff(heights)
    notable = [int(edge) for edge in np.flatnonzero(np.abs(steps) > HEALTHY_ORDERS)]
    for edge in notable:
        yield _Candidate("drop", 0, edge, 1.0 * (index > edge), np.array([0.0, 0, 1]))
    for edge in notable:
        for other in notable:
            if edge < other <= edge + WIDEST_HOLE and steps[edge] * steps[other] < 0:
                inside = (index > edge) & (index <= other)
                yield _Candidate("hole", edge + 1, other, -1.0 * inside, np.array([0.0, 0, 1]))
    for knee in range(2, len(depth) - 2):
        arms = heights[-1] - heights[knee], heights[0] - heights[knee]
        if min(arms) > HEALTHY_ORDERS or max(arms) < -HEALTHY_ORDERS:
            feature = np.maximum(0, depth - depth[knee])
            yield _Candidate("V", knee, knee, feature, np.array([0.0, ahead[knee], feature[-1]]))


def _base(depth: np.ndarray) -> np.ndarray:
    return np.stack([np.ones(len(depth)), depth - depth.mean()], axis=1)


def _convincing(depth: np.ndarray, heights: np.ndarray) -> list[_Candidate]:
    """The shapes that explain these heights much better than a line does, the best first."""
    candidates = list(_candidates(depth, heights))
    if not candidates:
        return []
    orthogonal, _ = np.linalg.qr(_base(depth))
    features = np.stack([each.feature for each in candidates], axis=1)
    features = features - orthogonal @ (orthogonal.T @ features)
    residuals = heights - orthogonal @ (orthogonal.T @ heights)
    gains = (residuals @ features) ** 2 / (features**2).sum(axis=0)
    count, free = len(depth), len(depth) - 3
    left = np.maximum(residuals @ residuals - gains, count * LEAST_SCATTER**2)
    # A drop or a V at each layer, and holes of each width: the number of shapes to choose from.
    tried = count * (2 + WIDEST_HOLE)
    chances = special.fdtrc(1, free, gains / (left / free)) * tried
    return [candidates[index] for index in np.argsort(-gains) if chances[index] < CHANCE]


def _fitted(depth: np.ndarray, log_rms: np.ndarray, candidate: _Candidate) -> Shape | None:
    """The fitted shape; None if it is too small for a name, or no such shape."""
    design = np.column_stack([_base(depth), candidate.feature])
    ends = design[-1] - design[0]
    # An edge is plain to see, the bottom of a V is not.
    chosen = int(candidate.kind == "V")
    attenuation, size, beyond = (
        contrast(design, each, log_rms, chosen)
        for each in (ends, candidate.size, candidate.size - ends)
    )
    sizes = [size, beyond] if candidate.kind == "V" else [size]
    is_low = min(each.low for each in sizes) > HEALTHY_ORDERS
    is_high = max(each.high for each in sizes) < -HEALTHY_ORDERS
    if not (is_low or is_high):
        return None
    kind = candidate.kind if is_low or candidate.kind == "drop" else "peak"
    return Shape(kind, attenuation, size, candidate.first, candidate.last)
