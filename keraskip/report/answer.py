"""The answer of a report in two short parts: is it all right, and what is behind it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from keraskip.analysis.contrasts import Effect
from keraskip.analysis.verdicts import Group
from keraskip.report.findings import Findings
from keraskip.report.outcomes import by_outcome, counted, learns, names_of, outcome_words
from keraskip.report.wording import times

# In orders of magnitude: a signal that changes by less is all there (a factor of two).
ALL = 0.3
NOTHING_WRONG = "Nothing was found that needs a change."


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


def _clearest_pair(findings: Findings) -> Effect | None:
    """The effect of skips that matters most: a network learns by them, then by its size."""
    shown = [effect for effect in findings.effects if effect.by_skips and _is_shown(effect)]

    def weight(effect: Effect) -> tuple[bool, bool, float]:
        here, there = learns(findings, effect.other), learns(findings, effect.reference)
        return here and not there, here, abs(effect.orders.value) if effect.orders else 0.0

    return max(shown, key=weight, default=None)


def _is_shown(effect: Effect) -> bool:
    """Whether the signals differ by more than chance."""
    return effect.orders is not None and (effect.orders.low > 0 or effect.orders.high < 0)


def _of_pair(findings: Findings, effect: Effect) -> Answer:
    plain, other = effect.reference, effect.other
    headlines = [_headline(each) for each in findings.effects if each.by_skips and each.orders]
    headline = _headline(effect)
    where = f" in {headlines.count(headline)} of {len(headlines)} pairs" if headlines[1:] else ""
    changed = any(group.verdicts[0].since is not None for group in (plain, other))
    start = "At first, the" if changed else "The"
    signal = (
        f"{start} signal of {plain.label} {_on_its_way(plain)} on its way to the first layer, "
        f"the signal of {other.label} {_on_its_way(other)}."
    )
    course = f"{plain.label} {outcome_words(findings, plain)}, "
    course += f"{other.label} {outcome_words(findings, other)}."
    # The pair alone does not say whether all is right.
    of_all = f" {counted(findings)}." if findings.groups[2:] else ""
    return Answer(f"{headline}{where}.", f"{signal} {course}{of_all}")


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


def _on_its_way(group: Group) -> str:
    """How the signal changes from the last to the first layer."""
    orders = _orders(group)
    if abs(orders) <= ALL:
        return "keeps its size"
    return f"{'shrinks' if orders > 0 else 'grows'} {times(orders)}"


def _of_one(findings: Findings, group: Group) -> Answer:
    diagnosis = findings.diagnosis_of(group)
    detail = diagnosis[0].sentence if diagnosis else _without_cause(findings, group)
    return Answer(f"{group.label} {outcome_words(findings, group)}.", detail)


def _without_cause(findings: Findings, group: Group) -> str:
    """What to say of a network without a finding: the signal, or why nothing is known."""
    if learns(findings, group):
        if group.verdict == "no gradient":
            return "But no gradient arrives."
        signal = f"Its signal is {group.verdict}."
        return f"{signal} {NOTHING_WRONG}" if group.verdict == "healthy" else signal
    learning = next(each for each in findings.learnings_of(group) if each.state != "learning")
    known = "No cause was found" if learning.fails else "Too little is known"
    return f"{known}: {learning.reason}."


def _of_many(findings: Findings) -> Answer:
    headline = f"{counted(findings)}."
    learning, failing, undecided = by_outcome(findings)
    causes = [(group, findings.diagnosis_of(group)) for group in failing + undecided]
    if not causes:
        return Answer(headline, _about_signals(learning))
    known = next(((group, found) for group, found in causes if found), None)
    if known is None:
        return Answer(headline, _without_cause(findings, causes[0][0]))
    return Answer(headline, f"{known[0].label}: {known[1][0].sentence}")


def _about_signals(groups: Sequence[Group]) -> str:
    ill = [group for group in groups if group.verdict != "healthy"]
    if not ill:
        return f"No signal is lost on its way to the first layer. {NOTHING_WRONG}"
    of_verdict: dict[str, list[Group]] = {}
    for group in ill:
        of_verdict.setdefault(group.verdict, []).append(group)
    parts = (f"{verdict} in {names_of(those)}" for verdict, those in of_verdict.items())
    return f"Their signals: {'; '.join(parts)}."
