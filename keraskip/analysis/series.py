"""Means of a series of steps, with intervals that know that neighbouring steps are alike."""

import numpy as np
from scipy import special

from keraskip.analysis.estimates import Estimate

# A line through fewer values takes too much of their scatter away.
FEWEST_FOR_A_LINE = 5


def mean_of_series(values: np.ndarray) -> Estimate:
    """The mean of successive values, with its 95 % interval.

    A steady fall is no scatter: the interval is from the values about their line. Successive
    losses are alike, so a mean of n of them is less certain than a mean of n independent ones.
    The series counts as n / t values, where t is the integrated autocorrelation time. Its sum over
    lags ends before the first pair of neighbouring lags with a negative sum (Geyer 1992,
    "Practical Markov chain Monte Carlo", section 3.3). A series should be 25 times as long as t:
    in one of only twice that time, the interval holds the truth in 75 of 100 cases.

    Args:
        values: at least one, all finite, in the order of the steps.

    Returns:
        The mean; its margin is NaN for fewer than five values.
    """
    count = len(values)
    centre = float(values.mean())
    if count < FEWEST_FOR_A_LINE:
        return Estimate(centre, np.nan)
    time = np.linspace(-1, 1, count)
    scatter = values - centre - time * (time @ values) / (time @ time)
    effective = max(2.0, count / _autocorrelation_time(scatter))
    error = np.sqrt(scatter @ scatter / (count - 2) / effective)
    return Estimate(centre, float(special.stdtrit(max(1.0, effective - 2), 0.975) * error))


def _autocorrelation_time(scatter: np.ndarray) -> float:
    """1 + twice the sum of the autocorrelations, at least 1."""
    count = len(scatter)
    power = np.abs(np.fft.rfft(scatter, 2 * count)) ** 2
    covariance = np.fft.irfft(power)[:count]
    if covariance[0] <= 0:
        return 1.0
    # Scatter about its own line has correlations that are too small by about 2 / n.
    correlation = covariance / covariance[0] + 2 * np.arange(count, 0, -1) / count**2
    pairs = correlation[: count // 2 * 2].reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(pairs <= 0)
    kept = pairs[: negative[0]] if len(negative) else pairs
    return max(1.0, 2 * float(kept.sum()) - 1)
