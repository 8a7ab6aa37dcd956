"""Numbers with their 95 % intervals: means of seeds, falls of lines over depth, differences."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot

import numpy as np
from scipy import stats

# A line needs a third point before its slope has an error.
FEWEST_LAYERS = 3


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval.

    Attributes:
        value: the estimate.
        margin: half of the interval's width; NaN where nothing tells it, as with a single seed.
    """

    value: float
    margin: float

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        return self.value - self.margin

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        return self.value + self.margin

    def __sub__(self, other: "Estimate") -> "Estimate":
        """The difference of two independent estimates, with the margin of Zou & Donner 2008."""
        return Estimate(self.value - other.value, hypot(self.margin, other.margin))


def mean(values: Sequence[float]) -> Estimate:
    """The mean of independent values, such as those of several seeds, with Student's interval."""
    count = len(values)
    error = float(stats.sem(values)) if count > 1 else np.nan
    return Estimate(float(np.mean(values)), _margin(error, count - 1))


def fall(depth: np.ndarray, heights: np.ndarray) -> Estimate | None:
    """How far a line falls from the deepest layer to the first one, fitted to several profiles.

    Two things keep it from being exact, and both are in its margin: the layers scatter about the
    line, alike in all profiles, and the line itself differs between the profiles. Of the latter
    only what exceeds the noise of single heights is counted, as the former has that noise in it.
    Both are Student's, since a bootstrap over a handful of profiles gives intervals that are too
    short: of three seeds, every ninth sample is one seed three times.

    Args:
        depth: of the layers [L].
        heights: of the profiles [R, L], one for each stretch of steps or for each seed.

    Returns:
        None for fewer than three layers or depths, or for heights that are not finite.
    """
    if len(np.unique(depth)) < FEWEST_LAYERS or not np.isfinite(heights).all():
        return None
    profiles, layers = heights.shape
    x = depth - depth.mean()
    spread = float(x @ x)
    slopes = heights @ x / spread
    lines = heights.mean(axis=1, keepdims=True) + slopes[:, None] * x
    residuals = heights - lines
    common = residuals.mean(axis=0)
    error = np.sqrt(common @ common / (layers - 2) / spread)
    margin = _margin(error, layers - 2)
    if profiles > 1:
        freedom = (profiles - 1) * (layers - 2)
        noise = np.square(residuals - common).sum() / freedom / spread
        drift = max(0.0, slopes.var(ddof=1) - noise) / profiles
        margin = hypot(margin, _margin(np.sqrt(drift), profiles - 1))
    span = float(np.ptp(depth))
    return Estimate(float(slopes.mean()) * span, margin * span)


def _margin(error: float, freedom: int) -> float:
    return float(stats.t.ppf(0.975, freedom) * error)
