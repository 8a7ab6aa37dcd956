"""A card for each network: what it does, in marks, numbers and the first finding."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from keraskip.analysis.contrasts import Effect
from keraskip.analysis.estimates import mean
from keraskip.analysis.finding import Finding
from keraskip.analysis.learning import Learning
from keraskip.analysis.numbers import plain
from keraskip.analysis.verdicts import Group
from keraskip.analysis.words import STATES
from keraskip.report.findings import Findings

# A sign beside each colour, for readers who see no colours.
SIGNS = {"good": "✓", "bad": "✗", "open": "?"}
# More cards than stand beside the chart are sorted by urgency; of many the first few are shown.
BESIDE, MANY, FEW, URGENT = 3, 12, 6, ("bad", "open", "good")


class Mark(NamedTuple):
    """A word with a colour: `tone` is a key of `SIGNS`."""

    tone: str
    words: str

    @property
    def sign(self) -> str:
        """The sign of the tone."""
        return SIGNS[self.tone]


SIGNALS = {
    "healthy": Mark("good", "signal healthy"),
    "inconclusive": Mark("open", "signal inconclusive"),
    "no gradient": Mark("bad", "no gradient"),
    "diverged": Mark("bad", "numbers not finite"),
}


class Card(NamedTuple):
    """One network at a glance.

    Attributes:
        name: of the network.
        seeds: number of its runs.
        learning: whether it learns.
        signal: the verdict on its signal.
        outcome: accuracy beside chance, or loss beside a constant guess; may be empty.
        finding: the most upstream cause, if one was found.
        run: the run that has it, if the network has several; else empty.
        further: number of other findings.
    """

    name: str
    seeds: int
    learning: Mark
    signal: Mark
    outcome: str
    finding: Finding | None
    run: str
    further: int

    @property
    def urgency(self) -> tuple[int, int]:
        """Orders cards: first those that do not learn, then those whose signal is ill."""
        return URGENT.index(self.learning.tone), URGENT.index(self.signal.tone)


class Cards(NamedTuple):
    """The cards of a report: those on the first screen, and those in a part that opens."""

    shown: list[Card]
    more: list[Card]


def cards_of(findings: Findings) -> Cards:
    """A card for each network.

    Of more than three networks the ones that fail come first, each with its twin beside it. Of many
    only a few are shown at once.
    """
    cards = {group: _card(findings, group) for group in findings.groups}
    groups = list(cards)
    if len(groups) > BESIDE:
        groups.sort(key=lambda group: cards[group].urgency)
        groups = _twins_together(groups, findings.effects)
    shown = len(groups) if len(groups) <= MANY else FEW
    ordered = [cards[group] for group in groups]
    return Cards(ordered[:shown], ordered[shown:])


def _twins_together(groups: Sequence[Group], effects: Sequence[Effect]) -> list[Group]:
    """The networks in their order, but behind each the same network with skips, or without."""
    beside = {group: [group] for group in groups}
    for effect in effects:
        if effect.by_skips:
            beside[effect.reference].append(effect.other)
            beside[effect.other].append(effect.reference)
    return list(dict.fromkeys(twin for group in groups for twin in beside[group]))


def _card(findings: Findings, group: Group) -> Card:
    diagnosis = findings.diagnosis_of(group)
    learnings = findings.learnings_of(group)
    signal = SIGNALS.get(group.verdict, Mark("bad", f"signal {group.verdict}"))
    outcome = _accuracies(group, learnings[0]) or _losses(learnings)
    first, further = (diagnosis[0], len(diagnosis) - 1) if diagnosis else (None, 0)
    marks = _learning_mark(learnings), signal
    run = findings.diagnosed(group) if len(group.runs) > 1 else ""
    return Card(group.label, len(group.runs), *marks, outcome, first, run, further)


def _learning_mark(learnings: list[Learning]) -> Mark:
    states = [learning.state for learning in learnings]
    if len(set(states)) > 1 and all(learning.fails for learning in learnings):
        return Mark("bad", f"none of {len(states)} seeds learns")
    if len(set(states)) > 1:
        count = states.count("learning")
        return Mark("open", f"{count} of {len(states)} seeds learn{'s' * (count == 1)}")
    return Mark(STATES[states[0]].tone, STATES[states[0]].mark)


def _accuracies(group: Group, learning: Learning) -> str:
    """The accuracy beside that on held-out samples and chance: means over the seeds, in a line."""
    verdicts = group.verdicts
    numbers = {
        "accuracy": _mean_of_known([verdict.accuracy for verdict in verdicts]),
        "held-out": _mean_of_known([verdict.held_out for verdict in verdicts]),
        "chance": verdicts[0].chance if np.isnan(learning.chance) else learning.chance,
    }
    if np.isnan(numbers["accuracy"]):
        return ""
    return ", ".join(f"{name} {each:.2f}" for name, each in numbers.items() if not np.isnan(each))


def _mean_of_known(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return mean(known).value if known else np.nan


def _losses(learnings: list[Learning]) -> str:
    """The loss at start and end, beside the loss of a constant guess."""
    known = [each for each in learnings if each.start and each.end]
    if not known:
        return ""
    start, end = (
        float(np.mean([getattr(each, name).value for each in known])) for name in ("start", "end")
    )
    guess = "" if np.isnan(known[0].guess) else f", constant guess {plain(known[0].guess)}"
    return f"loss {plain(start)} → {plain(end)}{guess}"
