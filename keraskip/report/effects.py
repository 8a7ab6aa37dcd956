"""What skips, or another change, did to signal and learning, in words."""

from collections.abc import Sequence

import numpy as np

from keraskip.analysis.estimates import Estimate
from keraskip.analysis.learning import Learning
from keraskip.report.wording import factor, with_interval


def about_orders(orders: Estimate | None) -> str:
    """How much more of the signal arrives; nothing is said where signals cannot be compared."""
    if orders is None:
        return ""
    if not (orders.low > 0 or orders.high < 0):
        return f"no difference is shown ({with_interval(orders)} orders of magnitude)"
    more = "more" if orders.value > 0 else "less"
    return f"{factor(orders)} {more} of the signal arrives at the first layer"


def about_states(others: Sequence[Learning], references: Sequence[Learning]) -> str:
    """Whether one of the two networks learns and the other does not, in all of their seeds."""
    mine, theirs = ({each.state for each in group} for group in (others, references))
    if mine == {"learning"} and all(each.fails for each in references):
        return "it learns, and the other does not"
    if theirs == {"learning"} and all(each.fails for each in others):
        return "it does not learn, and the other does"
    return ""


def about_gap(gap: Estimate | None) -> str:
    """By how much the training error differs."""
    if gap is None:
        return ""
    side = "higher" if gap.value > 0 else "lower"
    size = f"its training error is {100 * abs(gap.value):.1f} points {side}"
    if np.isnan(gap.margin):
        return size if gap.value else "the training errors are the same"
    interval = f"95 % interval {100 * gap.low:+.1f} to {100 * gap.high:+.1f}"
    if gap.low <= 0 <= gap.high:
        return f"no difference of the training errors is shown ({interval} points)"
    return f"{size} ({interval})"
