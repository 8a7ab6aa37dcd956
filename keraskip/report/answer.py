"""The answer of a report in two short parts: is it all right, and what is behind it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from keraskip.analysis.contrasts import Effect
from keraskip.analysis.estimates import mean
from keraskip.analysis.verdicts import Group
from keraskip.analysis.words import STATES
from keraskip.report.findings import Findings
from keraskip.report.wording import times

# In orders of magnitude: a signal that changes by less is all there (a factor of two).
ALL = 0.3
MOST_NAMES = 3


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
    count = states.count("learning")
    if count == len(states):
        return _learning_words(group)
    if count:
        return f"learns with {count} of {len(states)} seeds"
    if len(set(states)) > 1:
        return f"is not seen to learn with any of {len(states)} seeds"
    if states[0] not in ("diverged", "frozen") and all(v.at_chance for v in group.verdicts):
        return f"stays at chance{' so far' if states[0] == 'unknown' else ''}"
    return STATES[states[0]].predicate


def _learning_words(group: Group) -> str:
    accuracy = mean([verdict.accuracy for verdict in group.verdicts]).value
    # A loss may fall while the accuracy stays.
    if np.isnan(accuracy) or any(verdict.at_chance for verdict in group.verdicts):
        return "learns"
    return f"learns to a training accuracy of {accuracy:.0%}"


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
    headlines = [_headline(each) for each in findings.effects if each.by_skips and each.orders]
    headline = _headline(effect)
    where = f" in {headlines.count(headline)} of {len(headlines)} pairs" if headlines[1:] else ""
    changed = any(group.verdicts[0].since is not None for group in (plain, other))
    of = "At first, of" if changed else "Of"
    signal = (
        f"{of} the signal of {plain.label} {_arriving(_orders(plain))} reached the first layer, "
        f"of that of {other.label} {_arriving(_orders(other))}."
    )
    course = f"{plain.label} {outcome_words(findings, plain)}, "
    course += f"{other.label} {outcome_words(findings, other)}."
    return Answer(f"{headline}{where}.", f"{signal} {course}")


def _headline(effect: Effect) -> str:
    """What the skips did with the gradient, without a full stop."""
    before, after = _orders(effect.reference), _orders(effect.other)
    grew = " from growing" if before < 0 else ""
    if effect.reference.verdict == effect.other.verdict == "healthy":
        return "The gradient arrives with and without skip connections"
    if effect.other.verdict == "healthy":
        return f"Skip connections kept the gradient{grew}"
    if abs(after) < abs(before):
        return f"Skip connections kept {'' if grew else 'more of '}the gradient{grew}"
    return "Skip connections did not keep the gradient"


def _orders(group: Group) -> float:
    return group.attenuation.value if group.attenuation else np.nan


def _arriving(orders: float) -> str:
    """How much of a signal arrives that shrinks by these orders of magnitude."""
    if abs(orders) <= ALL:
        return "all"
    factor = times(orders).removesuffix("-fold")
    return f"one part in {factor}" if orders > 0 else f"{factor} times as much"


def _of_one(findings: Findings, group: Group) -> Answer:
    diagnosis = findings.diagnosis_of(group)
    detail = diagnosis[0].sentence if diagnosis else _without_cause(findings, group)
    return Answer(f"{group.label} {outcome_words(findings, group)}.", detail)


def _without_cause(findings: Findings, group: Group) -> str:
    """What to say of a network without a finding: the signal, or why nothing is known."""
    if _learns(findings, group):
        no_gradient = group.verdict == "no gradient"
        return "But no gradient arrives." if no_gradient else f"Its signal is {group.verdict}."
    learning = next(each for each in findings.learnings_of(group) if each.state != "learning")
    known = "No cause was found" if learning.fails else "Too little is known"
    return f"{known}: {learning.reason}."


def _of_many(findings: Findings) -> Answer:
    groups = findings.groups
    failing = [g for g in groups if all(each.fails for each in findings.learnings_of(g))]
    learning = [group for group in groups if _learns(findings, group)]
    undecided = [group for group in groups if group not in failing + learning]
    if len(learning) == len(groups):
        return Answer(f"All {len(groups)} networks learn.", _about_signals(groups))
    if len(undecided) == len(groups):
        headline = f"None of the {len(groups)} networks can be judged yet"
    else:
        headline = f"{len(learning) or 'None'} of {len(groups)} networks learn"
        headline += "s" if len(learning) == 1 else ""
        headline += f"; not {_names(failing)}" if failing and learning else ""
        headline += f"; undecided: {_names(undecided)}" if undecided else ""
    causes = [(group, findings.diagnosis_of(group)) for group in failing + undecided]
    known = next(((group, found) for group, found in causes if found), None)
    if known is None:
        return Answer(f"{headline}.", _without_cause(findings, causes[0][0]))
    return Answer(f"{headline}.", f"{known[0].label}: {known[1][0].sentence}")


def _about_signals(groups: Sequence[Group]) -> str:
    ill = [group for group in groups if group.verdict != "healthy"]
    if not ill:
        return "No signal is lost on its way to the first layer."
    return f"Their signals: {'; '.join(f'{each.label} {each.verdict}' for each in ill)}."


def _names(groups: Sequence[Group]) -> str:
    names = [group.label for group in groups]
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more
