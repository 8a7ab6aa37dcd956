"""Numbers in words: factors, intervals, means over seeds."""

from collections.abc import Sequence

import numpy as np

from keraskip.analysis.estimates import Estimate, mean

# An interval of few layers or steps may have no sensible end.
MOST_ORDERS = 100


def over_seeds(values: Sequence[float]) -> str:
    """Mean and standard deviation of the numbers that are known."""
    known = [value for value in values if not np.isnan(value)]
    if not known:
        return ""
    deviation = f" ± {np.std(known, ddof=1):.2f}" if len(known) > 1 else ""
    return f"{mean(known).value:.2f}{deviation}"


def factor(orders: Estimate) -> str:
    """Orders of magnitude as a factor with its interval, which has to be on one side of 0."""
    low, high = sorted((orders.low, orders.high), key=abs)
    return f"{times(orders.value)} (95 % interval {times(low)} to {times(high)})"


def times(orders: float) -> str:
    """A change by these orders of magnitude, in two digits; written out up to a billion."""
    if abs(orders) > MOST_ORDERS:
        return f"more than 1e+{MOST_ORDERS}-fold"
    change = float(f"{10 ** abs(orders):.2g}")
    if change < 10:
        return f"{change:.1f}-fold"
    return f"{change:,.0f}-fold" if change < 1e9 else f"{change:.1e}-fold"


def with_interval(estimate: Estimate | None) -> str:
    """The number with its interval."""
    if not estimate:
        return "–"
    if np.isnan(estimate.margin):
        return f"{estimate.value:z.1f}"
    return f"{estimate.value:z.1f} [{estimate.low:z.1f}, {estimate.high:z.1f}]"


def with_margin(estimate: Estimate | None) -> str:
    """The number with half of its interval, which takes less room."""
    if not estimate or np.isnan(estimate.margin):
        return with_interval(estimate)
    return f"{estimate.value:z.1f} ± {estimate.margin:.1f}"


def number(value: float, style: str) -> str:
    """The number in a style of `format`; a dash if it is unknown."""
    return "–" if np.isnan(value) else format(value, style)


def change(attenuation: Estimate, of_what: str) -> str:
    """The change with its interval.

    Args:
        attenuation: the change, in orders of magnitude.
        of_what: the spread that the interval is about, such as `"over steps"`.
    """
    low, high = attenuation.low, attenuation.high
    if low > 0 or high < 0:
        near, far = sorted((low, high), key=abs)
        interval = f"95 % interval {of_what} {times(near)} to {times(far)}"
        return f"{plain_change(attenuation)} ({interval})"
    if np.isnan(attenuation.margin):
        return f"{plain_change(attenuation)} (no interval)"
    return f"keeps its size within {times(max(-low, high))} (95 % interval {of_what})"


def plain_change(attenuation: Estimate) -> str:
    """The change without an interval."""
    return f"{'shrinks' if attenuation.value >= 0 else 'grows'} {times(attenuation.value)}"
