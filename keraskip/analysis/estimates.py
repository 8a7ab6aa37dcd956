"""Numbers with their 95 % intervals: means of seeds, falls of lines over depth, differences."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot

import numpy as np
from scipy import stats

# The slope of a line has an error only from three points on.
FEWEST_LAYERS = 3


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval.

    Attributes:
        value: the estimate.
        margin: half of the interval's width; NaN where it is unknown, as with a single seed.
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
    """The mean of independent values, such as one from each seed, with Student's interval."""
    count = len(values)
    error = float(stats.sem(values)) if count > 1 else np.nan
    return Estimate(float(np.mean(values)), _margin(error, count - 1))


def fall(depth: np.ndarray, log_rms: np.ndarray) -> Estimate | None:
    """How far a line falls from the deepest layer to the first one, fitted to several profiles.

    The margin holds two errors. One is the scatter of the layers about the line, which all profiles
    share. The other is the difference between the lines of the profiles. The second counts only
    where it exceeds the noise of single values, because the first contains that noise already.
    Both use Student's distribution. A bootstrap over a handful of profiles gives intervals that
    are too short: with three seeds, every ninth sample is one seed three times.

    Args:
        depth: of the layers [L].
        log_rms: log10 of the RMS gradients [R, L], a profile for each stretch of steps or each
            seed.

    Returns:
        None for fewer than three layers or depths, or for values that are not finite.
    """
    if len(np.unique(depth)) < FEWEST_LAYERS or not np.isfinite(log_rms).all():
        return None
    profiles, layers = log_rms.shape
    centred = depth - depth.mean()
    square = float(centred @ centred)
    slopes = log_rms @ centred / square
    lines = log_rms.mean(axis=1, keepdims=True) + slopes[:, None] * centred
    residuals = log_rms - lines
    shared = residuals.mean(axis=0)
    error = np.sqrt(shared @ shared / (layers - 2) / square)
    margin = _margin(error, layers - 2)
    if profiles > 1:
        degrees_of_freedom = (profiles - 1) * (layers - 2)
        noise = np.square(residuals - shared).sum() / degrees_of_freedom / square
        drift = max(0.0, slopes.var(ddof=1) - noise) / profiles
        margin = hypot(margin, _margin(np.sqrt(drift), profiles - 1))
    span = float(np.ptp(depth))
    return Estimate(float(slopes.mean()) * span, margin * span)


def _margin(error: float, degrees_of_freedom: int) -> float:
    return float(stats.t.ppf(0.975, degrees_of_freedom) * error)
