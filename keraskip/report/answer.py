"""The answer of a report in two short parts: is it all right, and what is behind it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from keraskip.analysis.contrasts import Effect
from keraskip.analysis.estimates import mean
from keraskip.analysis.verdicts import Group
from keraskip.report.findings import Findings
from keraskip.report.wording import times

# In orders of magnitude: a signal that changes by less is all there (a factor of two).
ALL = 0.3
# A signal that changes by less is kept (a factor of ten).
KEPT = 1.0
MOST_NAMES = 3
FAILS = {
    "not learning": "does not learn",
    "frozen": "does not learn: its updates change nothing",
    "diverged": "diverged",
}


class Answer(NamedTuple):
    """What a report says first.

    Attributes:
        headline: whether all is right, or what the skips did.
        detail: the numbers or the cause behind it.
    """

    headline: str
    detail: str


def answer_of(findings: Findings) -> Answer:
    """The answer: of the clearest pair with and without skips, else of the networks."""
    pair = _clearest_pair(findings)
    if pair:
        return _of_pair(findings, pair)
    if len(findings.groups) == 1:
        return _of_one(findings, findings.groups[0])
    return _of_many(findings)


def outcome_words(findings: Findings, group: Group) -> str:
    """What a network does, for the end of a sentence that begins with its name."""
    states = findings.states_of(group)
    if len(set(states)) > 1:
        return f"learns with {states.count('learning')} of {len(states)} seeds"
    accuracy = mean([verdict.accuracy for verdict in group.verdicts]).value
    if states[0] == "learning":
        return "learns" if np.isnan(accuracy) else f"learns to {accuracy:.0%}"
    if all(verdict.at_chance for verdict in group.verdicts):
        return "stays at chance"
    return FAILS.get(states[0], "may or may not learn")


def _clearest_pair(findings: Findings) -> Effect | None:
    """The effect of skips that matters most: a network learns by them, then by its size."""
    shown = [effect for effect in findings.effects if effect.by_skips and _is_shown(effect)]

    def weight(effect: Effect) -> tuple[bool, bool, float]:
        here, there = _learns(findings, effect.other), _learns(findings, effect.reference)
        return here and not there, here, abs(effect.orders.value) if effect.orders else 0.0

    return max(shown, key=weight, default=None)


def _is_shown(effect: Effect) -> bool:
    """Whether the signals differ by more than chance."""
    return effect.orders is not None and (effect.orders.low > 0 or effect.orders.high < 0)


def _learns(findings: Findings, group: Group) -> bool:
    return set(findings.states_of(group)) == {"learning"}


def _of_pair(findings: Findings, effect: Effect) -> Answer:
    plain, other = effect.reference, effect.other
    before, after = (
        group.attenuation.value if group.attenuation else np.nan for group in (plain, other)
    )
    if abs(after) <= KEPT < abs(before):
        headline = "Skip connections kept the gradient."
    elif abs(after) < abs(before):
        headline = "Skip connections kept more of the gradient."
    else:
        headline = "Skip connections did not keep the gradient."
    signal = (
        f"Of the signal of {plain.label} {_arriving(before)} reached the first layer, of that of "
        f"{other.label} {_arriving(after)}."
    )
    course = f"{plain.label} {outcome_words(findings, plain)}, "
    course += f"{other.label} {outcome_words(findings, other)}."
    return Answer(headline, f"{signal} {course}")


def _arriving(orders: float) -> str:
    """How much of a signal arrives that shrinks by these orders of magnitude."""
    if abs(orders) <= ALL:
        return "all"
    factor = times(orders).removesuffix("-fold")
    return f"one part in {factor}" if orders > 0 else f"{factor} times as much"


def _of_one(findings: Findings, group: Group) -> Answer:
    name, diagnosis = group.label, findings.diagnosis_of(group)
    words = outcome_words(findings, group)
    states = set(findings.states_of(group))
    if states == {"unknown"}:
        words = "stays at chance so far" if "chance" in words else "cannot be judged yet"
    detail = diagnosis[0].sentence if diagnosis else _without_cause(findings, group)
    return Answer(f"{name} {words}.", detail)


def _without_cause(findings: Findings, group: Group) -> str:
    """What to say of a network without a finding: the signal, or why nothing is known."""
    learning = findings.learnings_of(group)[0]
    if _learns(findings, group):
        return f"Its signal is {group.verdict}."
    known = "No cause was found" if learning.fails else "Too little is known"
    return f"{known}: {learning.reason}."


def _of_many(findings: Findings) -> Answer:
    groups = findings.groups
    failing = [group for group in groups if not _learns(findings, group)]
    if not failing:
        return Answer(f"All {len(groups)} networks learn.", _about_signals(groups))
    learning = len(groups) - len(failing)
    headline = f"{learning or 'None'} of {len(groups)} networks learn{'s' * (learning == 1)}"
    headline += f"; not {_names(failing)}." if learning else "."
    causes = [(group, findings.diagnosis_of(group)) for group in failing]
    known = next(((group, found) for group, found in causes if found), None)
    if known is None:
        return Answer(headline, _without_cause(findings, failing[0]))
    return Answer(headline, f"{known[0].label}: {known[1][0].sentence}")


def _about_signals(groups: Sequence[Group]) -> str:
    ill = [group for group in groups if group.verdict not in ("healthy", "inconclusive")]
    if not ill:
        return "No signal is lost on its way to the first layer."
    return f"But the signal of {_names(ill)} is {ill[0].verdict}."


def _names(groups: Sequence[Group]) -> str:
    names = [group.label for group in groups]
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more
