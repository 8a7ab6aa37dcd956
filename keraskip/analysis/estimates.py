"""Numbers with their 95 % intervals: means of seeds, falls of lines over depth, differences."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, sqrt

import numpy as np
from scipy import special

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
    error = float(np.std(values, ddof=1)) / sqrt(count) if count > 1 else np.nan
    return Estimate(float(np.mean(values)), _margin(error, count - 1))


def fall(depth: np.ndarray, log_rms: np.ndarray) -> Estimate | None:
    """How far a line falls from the deepest layer to the first one, fitted to several profiles.

    Args:
        depth: of the layers [L].
        log_rms: log10 of the RMS gradients [R, L], a profile for each stretch of steps or each
            seed.

    Returns:
        None for fewer than three layers or depths, or for values that are not finite.
    """
    if len(np.unique(depth)) < FEWEST_LAYERS or not np.isfinite(log_rms).all():
        return None
    line = np.stack([np.ones(len(depth)), depth - depth.mean()], axis=1)
    return contrast(line, np.array([0.0, np.ptp(depth)]), log_rms)


def contrast(
    shape: np.ndarray, wanted: np.ndarray, log_rms: np.ndarray, chosen: int = 0
) -> Estimate:
    """A sum of the coefficients of a shape that is fitted to several profiles by least squares.

    The margin holds two errors. One is the scatter of the layers about the shape, which all
    profiles share. The other is the difference between the fits of the profiles. The second counts
    only where it exceeds the noise of single values, because the first contains that noise already.
    Both use Student's distribution. A bootstrap over a handful of profiles gives intervals that
    are too short: with three seeds, every ninth sample is one seed three times.

    Args:
        shape: the heights of the layers for each coefficient [L, P], fewer coefficients than
            layers.
        wanted: the factor of each coefficient in the sum [P].
        log_rms: the heights of each profile [R, L].
        chosen: how many numbers of the shape itself were chosen to fit, such as the place of a
            bend.
    """
    profiles, layers = log_rms.shape
    free = layers - shape.shape[1] - chosen
    # The sum is a product of the heights with one number for each layer.
    share_of_layer = np.linalg.pinv(shape).T @ wanted
    square = float(share_of_layer @ share_of_layer)
    values = log_rms @ share_of_layer
    residuals = log_rms - log_rms @ np.linalg.pinv(shape).T @ shape.T
    shared = residuals.mean(axis=0)
    margin = _margin(np.sqrt(shared @ shared / free * square), free)
    if profiles > 1:
        noise = np.square(residuals - shared).sum() / ((profiles - 1) * free) * square
        drift = max(0.0, values.var(ddof=1) - noise) / profiles
        margin = hypot(margin, _margin(np.sqrt(drift), profiles - 1))
    return Estimate(float(values.mean()), margin)


def _margin(error: float, degrees_of_freedom: int) -> float:
    # Student's distribution; `scipy.stats` has it, too, and takes a second to import.
    return float(special.stdtrit(degrees_of_freedom, 0.975) * error)
