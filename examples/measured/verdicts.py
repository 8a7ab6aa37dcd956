"""Verdicts from intervals."""

from collections.abc import Sequence

from measured.claim import Agrees
from measured.intervals import Interval


def above(interval: Interval, limit: float) -> Agrees:
    """Whether a number is above a limit; inconclusive if its interval holds the limit."""
    if interval.low > limit:
        return "yes"
    return "no" if interval.high < limit else "inconclusive"


def below(interval: Interval, limit: float) -> Agrees:
    """Whether a number is below a limit; inconclusive if its interval holds the limit."""
    if interval.high < limit:
        return "yes"
    return "no" if interval.low > limit else "inconclusive"


def near(interval: Interval, low: float, high: float) -> Agrees:
    """Whether a number lies between two limits; inconclusive if its interval holds one."""
    if interval.within(low, high):
        return "yes"
    return "no" if interval.high < low or interval.low > high else "inconclusive"


def together(parts: Sequence[Agrees]) -> Agrees:
    """The verdict on a claim of several parts.

    All alike give that verdict, any other mixture with a "yes" gives "in part". Without a "yes",
    one open part leaves the claim open.
    """
    if len(set(parts)) == 1:
        return parts[0]
    return "in part" if "yes" in parts or "in part" in parts else "inconclusive"
