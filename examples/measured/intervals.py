"""Intervals of 95 %, and lines through points."""

import math
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from scipy import stats

Values: TypeAlias = Sequence[float] | np.ndarray


class Interval(NamedTuple):
    """An estimate and the two ends of its interval of 95 %."""

    value: float
    low: float
    high: float

    def text(self, form: str = ".3g") -> str:
        """The interval in words, such as `1.2 [1.1, 1.3]`."""
        return f"{self.value:{form}} [{self.low:{form}}, {self.high:{form}}]"

    def within(self, low: float, high: float) -> bool:
        """Whether the whole interval lies between two numbers."""
        return low <= self.low and self.high <= high


def student(values: Values, together: int = 1) -> Interval:
    """The mean with Student's interval; a single value has an infinite one.

    Args:
        values: the single measurements.
        together: how many such intervals hold at once with 95 % (Bonferroni); 1 is this one alone.
    """
    array = np.asarray(values, float)
    mean = float(array.mean())
    if len(array) < 2:
        return Interval(mean, -np.inf, np.inf)
    quantile = stats.t.ppf(1 - 0.025 / together, len(array) - 1)
    reach = float(quantile * array.std(ddof=1) / np.sqrt(len(array)))
    return Interval(mean, mean - reach, mean + reach)


def student_of_factor(values: Values) -> Interval:
    """The geometric mean of positive values, with Student's interval of their logarithms."""
    return Interval(*(math.exp(end) for end in student([math.log(value) for value in values])))


def slope(x: Values, y: Values) -> float:
    """The slope of the straight line through points, by least squares."""
    return float(np.polyfit(np.asarray(x, float), np.asarray(y, float), 1)[0])
