"""One run in words: whether its network learns, and what was found.

The recorder prints them at the end of a training, the report puts them beside the verdicts.
"""

from collections.abc import Sequence

import numpy as np

from keraskip.analysis.causes import diagnose
from keraskip.analysis.finding import Finding
from keraskip.analysis.learning import Learning, learning_of
from keraskip.runs import Run

STATES = {
    "learning": "it learns",
    "not learning": "it does not learn",
    "frozen": "it is frozen",
    "diverged": "it diverged",
    "unknown": "whether it learns is unknown",
}


def about_learning(learning: Learning) -> str:
    """Whether a network learns, for the middle of a sentence."""
    if learning.start is None or learning.end is None or learning.state == "unknown":
        return f"{STATES[learning.state]} ({learning.reason})"
    guess = "" if np.isnan(learning.guess) else f", a constant guess has {learning.guess:.3g}"
    course = f"the loss goes from {learning.start.value:.3g} to {learning.end.value:.3g}{guess}"
    return f"{STATES[learning.state]} ({course})"


def about_findings(findings: Sequence[Finding]) -> str:
    """The most upstream finding with its remedy, and the names of the others."""
    first, *others = findings
    further = f" Further findings: {', '.join(f.kind for f in others)}." if others else ""
    return f"{first}{'' if first.remedy.endswith('.') else '.'}{further}"


def diagnosis(run: Run) -> list[str]:
    """Lines on a run: whether it learns and, where something was found, what; for each part."""
    lines = []
    for part in run.parts:
        learning = learning_of(part)
        findings = diagnose(part, learning=learning)
        name = f"{part.info['part']}: " if len(run.parts) > 1 else ""
        lines.append(f"{name}{about_learning(learning)}.")
        lines += [about_findings(findings)] if findings else []
    return lines
