"""Learning and findings in words, for several seeds and for the table."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from keraskip.analysis.estimates import Estimate
from keraskip.analysis.finding import Finding
from keraskip.analysis.held_out import mean_held_out
from keraskip.analysis.learning import Learning
from keraskip.analysis.words import about_findings, about_learning
from keraskip.runs import Run


def learning_words(learnings: Sequence[Learning]) -> str:
    """Whether a network learns, over its seeds, for the middle of a sentence."""
    counts = Counter(learning.state for learning in learnings)
    if len(counts) > 1:
        seeds = ", ".join(f"{count} {state}" for state, count in counts.most_common())
        return f"of {len(learnings)} seeds, {seeds}"
    ends = [learning.end.value for learning in learnings if learning.end]
    mean_end = Estimate(float(np.mean(ends)), np.nan) if ends else None
    held_out = mean_held_out([learning.held_out for learning in learnings])
    return about_learning(replace(learnings[0], end=mean_end, held_out=held_out))


def about_diagnosis(run: Run, findings: Sequence[Finding]) -> str:
    """The findings about a run, after its name."""
    return f"{run.name}: {about_findings(findings)}"
