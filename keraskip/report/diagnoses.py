"""Learning and findings in words."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from keraskip.analysis.finding import Finding
from keraskip.analysis.learning import Learning
from keraskip.runs import Run

STATES = {
    "learning": "it learns",
    "not learning": "it does not learn",
    "frozen": "it is frozen",
    "diverged": "it diverged",
    "unknown": "whether it learns is unknown",
}
# In the table, below the head "learning".
SHORT = {"learning": "yes", "not learning": "no"}


def learning_words(learnings: Sequence[Learning]) -> str:
    """Whether a network learns, over its seeds, for the middle of a sentence."""
    counts = Counter(learning.state for learning in learnings)
    if len(counts) > 1:
        seeds = ", ".join(f"{count} {state}" for state, count in counts.most_common())
        return f"of {len(learnings)} seeds, {seeds}"
    first = learnings[0]
    if first.start is None or first.end is None or first.state == "unknown":
        return f"{STATES[first.state]} ({first.reason})"
    mean_end = float(np.mean([learning.end.value for learning in learnings if learning.end]))
    guess = "" if np.isnan(first.guess) else f", a constant guess has {first.guess:.3g}"
    course = f"the loss goes from {first.start.value:.3g} to {mean_end:.3g}{guess}"
    return f"{STATES[first.state]} ({course})"


def about_diagnosis(run: Run, findings: Sequence[Finding]) -> str:
    """The most upstream finding with its remedy, and the names of the others."""
    first, *others = findings
    further = f" Further findings: {', '.join(f.kind for f in others)}." if others else ""
    stop = "" if first.remedy.endswith(".") else "."
    return f"{run.name}: {first}{stop}{further}"
