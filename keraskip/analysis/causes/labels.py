"""What is left where a network does not learn and its signal is fine."""

import numpy as np

from keraskip.analysis.evidence import Evidence
from keraskip.analysis.finding import Finding

KARPATHY = "Karpathy 2019, A Recipe for Training Neural Networks: overfit one batch"
# The loss equals that of a constant guess to within this share.
SAME = 0.05
OVERFIT = (
    "check that each label belongs to its sample, by training on one batch until it is learned by "
    "heart: `model.fit(x[:32], y[:32], epochs=200)`; if that works, the labels do not follow from "
    "the inputs"
)


def nothing_to_learn(evidence: Evidence) -> Finding | None:
    """A loss that stays at that of a constant guess though updates are sound."""
    learning = evidence.learning
    if learning.state != "not learning" or learning.end is None or not learning.guess > 0:
        return None
    if abs(learning.end.value - learning.guess) > SAME * learning.guess:
        return None
    return Finding(
        "nothing to learn",
        f"The signal is {evidence.verdict.verdict} and nothing is learned: the loss is "
        f"{learning.end.value:.3g}, a constant guess has {learning.guess:.3g}.",
        OVERFIT,
        KARPATHY,
        steps=evidence.span,
        evidence={"loss": learning.end.value, "guess": learning.guess},
    )


def unexplained(evidence: Evidence) -> Finding | None:
    """A network that does not learn, with no cause among the known ones."""
    if not evidence.fails or nothing_to_learn(evidence):
        return None
    end = evidence.learning.end
    return Finding(
        "unexplained",
        f"It does not learn ({evidence.learning.reason}), and no known cause was found.",
        OVERFIT,
        KARPATHY,
        steps=evidence.span,
        evidence={"loss": end.value if end else np.nan},
    )
