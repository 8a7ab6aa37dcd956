"""Findings as sentences, each with its numbers."""

from collections.abc import Sequence

import numpy as np

from keraskip.analysis import HEALTHY_ORDERS, Degradation, Effect, Estimate, Group, mean

# Rounding freezes a stray element in any run.
NOTABLY_FROZEN = 0.01


def about_group(group: Group) -> str:
    """What became of the signal in one network, and how well it trained."""
    seeds = f" ({len(group.runs)} seeds)" if len(group.runs) > 1 else ""
    return f"{group.label}{seeds} is {group.verdict}: {_why(group)}{_outcome(group)}."


def about_effect(effect: Effect) -> str:
    """What another network changes of the attenuation of the reference."""
    names = f"{effect.other.label} against {effect.reference.label}"
    orders = effect.orders
    if orders.low < 0 < orders.high:
        change = f"no difference is shown ({interval(orders)} orders of magnitude)"
    else:
        more = "more" if orders.value > 0 else "less"
        change = f"{factor(orders)} {more} of the signal arrives at the first layer"
    return f"{names}: {change}."


def about_degradation(found: Degradation) -> str:
    """Whether the deeper network trains worse, beside the verdict on its signal."""
    deep, shallow, gap = found.deep, found.shallow, found.gap
    seeds = f"{len(shallow.train_errors)} and {len(deep.train_errors)} seeds"
    side = "above" if gap.value > 0 else "below"
    size = (
        f"its training error lies {100 * abs(gap.value):.1f} points {side} that of {shallow.label}"
    )
    if np.isnan(gap.margin):
        size += f"; {seeds}, and two of each are needed for an interval"
    else:
        ends = f"{100 * gap.low:+.1f} to {100 * gap.high:+.1f}"
        size += f" (95 % interval {ends}, {seeds})"
    if len(shallow.epochs | deep.epochs) > 1:
        size += "; but the numbers of epochs differ"
    verdict = "does more depth hurt? " + found.finding
    return f"{deep.label}: {verdict}; {size}. The signal is {deep.verdict}."


def interval(estimate: Estimate, style: str = "z.1f") -> str:
    """The number with its interval."""
    low, high = (format(end, style) for end in (estimate.low, estimate.high))
    return f"{estimate.value:{style}} [{low}, {high}]"


def factor(orders: Estimate) -> str:
    """Orders of magnitude as a factor with its interval."""
    if not (orders.low > 0 or orders.high < 0):
        return f"{times(orders.value)}, by its interval perhaps not at all"
    low, high = sorted((orders.low, orders.high), key=abs)
    return f"{times(orders.value)} (95 % interval {times(low)} to {times(high)})"


def times(orders: float) -> str:
    """A change of so many orders of magnitude in two digits, in words up to a million."""
    change = float(f"{10 ** abs(orders):.2g}")
    if change < 10:
        return f"{change:.1f}-fold"
    return f"{change:,.0f}-fold" if change < 1e6 else f"{change:.1e}-fold"


def _why(group: Group) -> str:
    kind, reason, found = group.judgement
    if not found or kind in ("diverged", "dead"):
        return reason
    first = group.verdicts[0]
    signal = "backward signal" if first.signal == "backward" else "kernel gradient"
    why = f"from the last to the first hidden layer the {signal} {_change(found)} {factor(found)}"
    start = first.at_start
    if kind == "healthy" and start and abs(start.value) > HEALTHY_ORDERS:
        of_seed = f" of {first.run}" if len(group.runs) > 1 else ""
        why += f"; in the first step{of_seed} alone it {_change(start)} {factor(start)}"
    frozen = mean([verdict.first_frozen for verdict in group.verdicts]).value
    if frozen >= NOTABLY_FROZEN:
        why += f"; early updates leave {frozen:.0%} of the first kernel as it was"
    skipped = sum(verdict.nonfinite_steps for verdict in group.verdicts)
    if skipped:
        why += f"; gradients were NaN or infinite in {skipped} skipped steps"
    return why


def _change(orders: Estimate) -> str:
    return "shrinks" if orders.value >= 0 else "grows"


def _outcome(group: Group) -> str:
    verdicts = group.verdicts
    accuracy = _over_seeds([verdict.accuracy for verdict in verdicts])
    if not accuracy:
        return ""
    if all(verdict.at_chance for verdict in verdicts if not np.isnan(verdict.accuracy)):
        return f"; the accuracy stays at chance ({accuracy}, chance {verdicts[0].chance:.2f})"
    held_out = _over_seeds([verdict.held_out for verdict in verdicts])
    beside = f", {held_out} on images held out" if held_out else ""
    return f"; it trains to an accuracy of {accuracy}{beside}"


def _over_seeds(values: Sequence[float]) -> str:
    """Mean and standard deviation of the numbers there are."""
    found = [value for value in values if not np.isnan(value)]
    if not found:
        return ""
    spread = f" ± {np.std(found, ddof=1):.2f}" if len(found) > 1 else ""
    return f"{mean(found).value:.2f}{spread}"
