"""Student's distribution.

`scipy.special` has it, too, and takes a tenth of the time of a small report to import.
"""

import math
from functools import lru_cache

# Of the normal distribution: no quantile of Student's is smaller.
NORMAL = 1.959963984540054
SMALL = 1e-300
# Both loops end long before, if the numbers are sound.
MOST_TERMS, PRECISION = 100_000, 1e-14


@lru_cache(maxsize=4096)
def quantile(degrees: float) -> float:
    """The value that bounds 97.5 % of the distribution: half of a 95 % interval, in errors.

    Args:
        degrees: of freedom.

    Returns:
        The value; NaN for fewer than one degree.
    """
    if not degrees >= 1:
        return math.nan
    value = NORMAL
    for _ in range(MOST_TERMS):
        # The chance falls ever more slowly, so Newton's steps come nearer from below.
        step = (tail(degrees, value) - 0.025) / _density(degrees, value)
        value += step
        if step <= PRECISION * value:
            break
    return value


def tail(degrees: float, value: float) -> float:
    """The chance of this value or a larger one; the value is 0 or more.

    It is half of the incomplete beta function of degrees / 2 and 1/2 at d / (d + value²).
    """
    if value == 0 or not math.isfinite(value):
        return {0.0: 0.5, math.inf: 0.0}.get(value, math.nan)
    ratio = value * value / degrees
    logarithms = -math.log1p(ratio), math.log(ratio) - math.log1p(ratio)
    return 0.5 * _beta(degrees / 2, 0.5, *logarithms)


def _density(degrees: float, value: float) -> float:
    norm = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2)
    shape = (degrees + 1) / 2 * math.log1p(value * value / degrees)
    return math.exp(norm - shape) / math.sqrt(degrees * math.pi)


def _beta(a: float, b: float, log_x: float, log_rest: float) -> float:
    """The regularised incomplete beta function at x, by the logarithms of x and 1 - x."""
    if math.exp(log_x) > (a + 1) / (a + b + 2):
        return 1 - _beta(b, a, log_rest, log_x)
    norm = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return math.exp(norm + a * log_x + b * log_rest) / a / _fraction(a, b, math.exp(log_x))


def _fraction(a: float, b: float, x: float) -> float:
    """1 + d1 / (1 + d2 / (1 + ...)), see 8.17.22 in the NIST Handbook, by Lentz's algorithm."""
    value, above, below = 1.0, 1.0, 0.0
    for term in range(1, MOST_TERMS):
        half = term // 2
        if term % 2:
            part = -(a + half) * (a + b + half) * x / ((a + term - 1) * (a + term))
        else:
            part = half * (b - half) * x / ((a + term - 1) * (a + term))
        below = 1 / (1 + part * below or SMALL)
        above = 1 + part / above or SMALL
        value *= above * below
        if abs(above * below - 1) < PRECISION:
            break
    return value
