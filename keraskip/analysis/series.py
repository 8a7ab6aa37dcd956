"""Means of a series of steps, with intervals that know that neighbouring steps are alike."""

import numpy as np
from scipy import stats

from keraskip.analysis.estimates import Estimate


def mean_of_series(values: np.ndarray) -> Estimate:
    """The mean of successive values, with its 95 % interval.

    Successive losses are alike, so a mean of n of them is less certain than a mean of n
    independent ones. The series counts as n / t values, where t is the integrated autocorrelation
    time. Its sum over lags ends before the first pair of neighbouring lags with a negative sum
    (Geyer 1992, "Practical Markov chain Monte Carlo", section 3.3).

    Args:
        values: at least one, all finite, in the order of the steps.

    Returns:
        The mean; its margin is NaN for fewer than three values.
    """
    count = len(values)
    centre = float(values.mean())
    if count < 3:
        return Estimate(centre, np.nan)
    effective = max(2.0, count / _autocorrelation_time(values))
    error = values.std(ddof=1) / np.sqrt(effective)
    return Estimate(centre, float(stats.t.ppf(0.975, effective - 1) * error))


def _autocorrelation_time(values: np.ndarray) -> float:
    """1 + twice the sum of the autocorrelations, at least 1."""
    deviations = values - values.mean()
    count = len(deviations)
    power = np.abs(np.fft.rfft(deviations, 2 * count)) ** 2
    covariance = np.fft.irfft(power)[:count]
    if covariance[0] <= 0:
        return 1.0
    # A short series is centred on its own mean, which takes about 1 / n from each correlation.
    correlation = covariance / covariance[0] + np.arange(count, 0, -1) / count**2
    pairs = correlation[: count // 2 * 2].reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(pairs <= 0)
    kept = pairs[: negative[0]] if len(negative) else pairs
    return max(1.0, 2 * float(kept.sum()) - 1)
