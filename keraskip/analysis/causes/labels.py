"""What is left where a network does not learn and its signal is fine."""

import numpy as np

from keraskip.analysis.causes.level import level
from keraskip.analysis.causes.untrained import empty_input, faint_input, in_front
from keraskip.analysis.evidence import Evidence
from keraskip.analysis.finding import Finding
from keraskip.analysis.numbers import plain
from keraskip.analysis.progress import ABOVE_CHANCE, idle_outputs

KARPATHY = "Karpathy 2019, A Recipe for Training Neural Networks: overfit one batch"
# The loss equals that of a constant guess to within this share.
SAME = 0.05
# Above this many times its loss, the answers are no constant guess yet.
FAR_ABOVE = 1.1
# Random batches of different samples change the ratio by several percent.
SAME_FEATURES = 5e-3
FEWEST_STEPS, FEWEST_BATCHES = 15, 5
OVERFIT = (
    "check that each label belongs to its sample, by training on one batch until it is learned by "
    "heart: `model.fit(x[:32], y[:32], epochs=200)`; if that works, the labels do not follow from "
    "the inputs, or take more epochs; if it does not, the network is at fault"
)


def input_lost(evidence: Evidence) -> Finding | None:
    """Features that are the same for all samples, in a network that is *not learning*.

    From one late step to the next, the gradients of the output's kernel and of its bias change
    their ratio by less than 0.5% (the median over at least 15 steps in which both are above 0), and
    by more than 0: float arithmetic rounds.

    The gradient of the kernel is the sum over samples of features times errors, and the gradient of
    the bias is the sum of the errors. Where all samples have the same features, one is the other
    times a constant, in every batch. Random batches of different samples change the ratio by
    several percent; 0.5% was chosen below that.

    It is asked only of a network that ends in a single layer with a kernel and a bias, and of
    epochs with at least 5 batches, as in fewer one batch may be like the next. It is not said where
    the loss ends above 1.1 times that of a constant guess: the ratio is steady, too, where all
    errors are alike, long before the answers have come to a constant guess. 15, 5 and 1.1 are
    conventions.
    """
    pair = _output_weights(evidence)
    # In an epoch of few batches one batch may be like the next.
    epochs = evidence.run.epochs
    few = epochs.empty or epochs["steps"].iloc[0] < FEWEST_BATCHES
    if evidence.learning.state != "not learning" or pair is None or few or _is_above(evidence):
        return None
    norms = evidence.run.grad_norm[evidence.late][:, pair].astype(float)
    norms = norms[(np.isfinite(norms) & (norms > 0)).all(axis=1)]
    if len(norms) < FEWEST_STEPS:
        return None
    changes = np.abs(np.diff(np.log(norms[:, 0] / norms[:, 1])))
    share = float(np.median(changes))
    # Exactly 0 is no measurement: float arithmetic rounds.
    if not 0 < share < SAME_FEATURES:
        return None
    name = evidence.layer_of(pair[0])
    return Finding(
        "input lost",
        f"All samples look the same to {name}: the gradients of its kernel and of its bias keep "
        f"their ratio from batch to batch to within {share:.1g} of it.",
        level(evidence),
        "the chain rule; Schoenholz et al. 2017, section 4: correlations converge over depth",
        layers=(name,),
        steps=evidence.span,
        evidence={"change_of_the_ratio": share},
    )


def _is_above(evidence: Evidence) -> bool:
    """Whether the loss is known to end far above the loss of a constant guess."""
    end, guess = evidence.learning.end, evidence.learning.guess
    return end is not None and end.value > FAR_ABOVE * guess > 0


def _output_weights(evidence: Evidence) -> list[int] | None:
    """The columns of kernel and bias of the output; None where it is not a single plain layer."""
    weights = evidence.run.weights
    last = weights[weights["depth"] == weights["depth"].max()]
    columns = [last.index[last["role"] == role] for role in ("kernel", "bias")]
    if [len(each) for each in columns] != [1, 1] or len(set(weights["depth"])) < 2:
        return None
    return [int(each[0]) for each in columns]


def nothing_to_learn(evidence: Evidence) -> Finding | None:
    """A loss that stays at that of a constant guess, in a network that is *not learning*.

    The two differ by at most 5% of the guess. Of several outputs, each that learns nothing ends at
    most 5% above its guess. 5% is a convention: less is within the reach of shifted class shares.
    "Little" is learned where the accuracy has left chance by more than 10% of the way to 1.

    It is a last resort: every other cause has been asked. It is said of a *frozen* network, too, if
    untrained layers in front answer next to 0: in more than half of the steps the gradient of the
    first kernel that trains is below 1e-4 of that of its bias, by convention.
    """
    learning, empty = evidence.learning, empty_input(evidence)
    faint = "" if empty else faint_input(evidence)
    if learning.state == "not learning" and learning.idle:
        return _for_outputs(evidence)
    is_stuck = learning.state == "not learning" or (learning.state == "frozen" and faint)
    if not is_stuck or learning.end is None or not learning.guess > 0:
        return None
    if abs(learning.end.value - learning.guess) > SAME * learning.guess:
        return None
    signal = f"The signal is {evidence.verdict.verdict}"
    first = f"{empty} gets zeros for every sample" if empty else signal
    first = f"{faint} gets numbers near 0 for every sample" if faint else first
    is_some = learning.accuracy > learning.chance + ABOVE_CHANCE * (1 - learning.chance)
    much = "little" if is_some else "nothing"
    return Finding(
        "nothing to learn",
        f"{first} and {much} is learned: the loss is {plain(learning.end.value)}, a constant guess "
        f"has {plain(learning.guess)}.",
        _look_in_front(evidence, empty or faint),
        KARPATHY,
        steps=evidence.span,
        evidence={"loss": learning.end.value, "guess": learning.guess},
    )


def _look_in_front(evidence: Evidence, empty: str) -> str:
    """The remedy; where layers in front do not train, with their names."""
    untrained = in_front(evidence)
    if empty:
        return (
            f"look at the inputs of {empty}, with a model that ends before it: {untrained} do not "
            "train, so load their weights anew, and scale the inputs as they were scaled for them; "
            "if they have none to load, set `trainable = True`"
        )
    if not untrained:
        return OVERFIT
    return (
        f"{OVERFIT}, or the layers that do not train: {untrained}; load their weights, and scale "
        "the inputs as they were scaled for them"
    )


def _for_outputs(evidence: Evidence) -> Finding | None:
    """The same for each idle output of several, if its loss is no worse than a constant guess."""
    idle = [each for each in idle_outputs(evidence.run) if not each.falls]
    if not idle or any(each.loss > (1 + SAME) * each.guess for each in idle):
        return None
    names = " and ".join(each.name for each in idle)
    return Finding(
        "nothing to learn",
        f"Nothing is learned for {names}: {'; '.join(map(str, idle))}.",
        f"{OVERFIT}; the labels to look at belong to {names}",
        KARPATHY,
        layers=tuple(each.name for each in idle),
        steps=evidence.span,
        evidence={"loss": idle[0].loss, "guess": idle[0].guess},
    )


def unexplained(evidence: Evidence) -> Finding | None:
    """A network that fails, with no cause among the known ones.

    It is a last resort: every other cause has been asked, and the loss is not within 5% of that of
    a constant guess.
    """
    if not evidence.fails or nothing_to_learn(evidence):
        return None
    end = evidence.learning.end
    who = "One of the outputs" if evidence.learning.idle else "It"
    return Finding(
        "unexplained",
        f"{who} does not learn ({evidence.learning.reason}), and no known cause was found.",
        _look_in_front(evidence, ""),
        KARPATHY,
        steps=evidence.span,
        evidence={"loss": end.value if end else np.nan},
    )
