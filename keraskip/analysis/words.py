"""One run in words: whether its network learns, and what was found.

The recorder prints them at the end of a training, the report puts them beside the verdicts.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from keraskip.analysis.causes import diagnose
from keraskip.analysis.estimates import Estimate
from keraskip.analysis.finding import Finding
from keraskip.analysis.learning import Learning, learning_of
from keraskip.analysis.numbers import plain
from keraskip.analysis.progress import LEARNED_SHARE
from keraskip.runs import Run


class State(NamedTuple):
    """The words for a state of learning.

    Attributes:
        clause: for the middle of a sentence.
        predicate: for the end of a sentence that begins with the network's name.
        mark: on a card.
        tone: of the mark: `"good"`, `"bad"` or `"open"`.
        cell: in a table, below the head "learning".
    """

    clause: str
    predicate: str
    mark: str
    tone: str
    cell: str


STATES = {
    "learning": State("it learns", "learns", "learns", "good", "yes"),
    "not learning": State("it does not learn", "does not learn", "does not learn", "bad", "no"),
    "frozen": State(
        "it is frozen", "does not learn: its updates change nothing", "frozen", "bad", "frozen"
    ),
    "diverged": State("it diverged", "diverged", "diverged", "bad", "diverged"),
    "unknown": State(
        "whether it learns is unknown",
        "cannot be judged yet",
        "learning unknown",
        "open",
        "unknown",
    ),
}


def about_learning(learning: Learning) -> str:
    """Whether a network learns, for the middle of a sentence."""
    if learning.start is None or learning.end is None or learning.state == "unknown":
        return f"{STATES[learning.state].clause} ({learning.reason})"
    guess = "" if np.isnan(learning.guess) else f", a constant guess has {plain(learning.guess)}"
    alike = ", as all labels are the same" if learning.guess == 0 else ""
    course = f"{_course(learning, learning.start, learning.end)}{guess}{alike}"
    held_out = f", and on held-out ones it is {learning.held_out}" if learning.held_out else ""
    return f"{_clause(learning)} ({_accuracy(learning)}{course}){held_out}"


def _course(learning: Learning, start: Estimate, end: Estimate) -> str:
    """The loss at both ends; the last finite one is no end."""
    if learning.since is None:
        return f"the loss goes from {plain(start.value)} to {plain(end.value)}"
    return f"NaN or infinite from step {learning.since} on; the loss begins at {plain(start.value)}"


def _accuracy(learning: Learning) -> str:
    """The accuracy, where the loss alone does not show that a network learns."""
    if learning.state != "learning" or learning.end is None:
        return ""
    high = learning.end.value + np.nan_to_num(learning.end.margin)
    if not high > (1 - LEARNED_SHARE) * learning.guess or np.isnan(learning.chance):
        return ""
    return f"accuracy {learning.accuracy:.2f}, chance {learning.chance:.2f}; "


def _clause(learning: Learning) -> str:
    """The state; of several outputs, with the names of those that are no better than a guess."""
    clause, names = STATES[learning.state].clause, " and ".join(learning.idle)
    if learning.held_out:
        clause = f"{clause} its training samples"
    if not names or learning.state not in ("learning", "not learning"):
        return clause
    if learning.state == "learning":
        return f"{clause}, but not yet {names}"
    is_one = len(learning.idle) == 1
    return f"its output {names} does not learn" if is_one else f"its outputs {names} do not learn"


def about_findings(findings: Sequence[Finding]) -> str:
    """The most upstream finding with its remedy, and the names of the others."""
    first, *others = findings
    further = f" Further findings: {', '.join(f.kind for f in others)}." if others else ""
    return f"{first}{'' if first.remedy.endswith('.') else '.'}{further}"


def diagnosis(run: Run) -> list[str]:
    """Lines on a run: whether it learns and, where something was found, what; for each part.

    Parts share a line where the same is known of both.
    """
    names_of: dict[tuple[str, ...], list[str]] = {}
    for part in run.parts:
        learning = learning_of(part)
        findings = diagnose(part, learning=learning)
        said = (f"{about_learning(learning)}.", *([about_findings(findings)] if findings else []))
        names_of.setdefault(said, []).append(part.info["part"] if len(run.parts) > 1 else "")
    lines = []
    for (first, *rest), names in names_of.items():
        lines += [f"{' and '.join(names)}: {first}" if names[0] else first, *rest]
    return lines
