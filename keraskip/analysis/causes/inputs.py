"""Causes that are there before training: inputs, targets and weights to begin with."""

import numpy as np

from keraskip.analysis.causes.level import sizes_at_start
from keraskip.analysis.causes.rates import with_sound_rate
from keraskip.analysis.evidence import Evidence
from keraskip.analysis.finding import Finding
from keraskip.analysis.heads import COMPARING, LINEAR, SQUARED, broken_labels
from keraskip.analysis.numbers import plain
from keraskip.analysis.silence import few
from keraskip.analysis.special import broken_at_first

# Inputs of about unit variance are usual (LeCun et al. 1998, section 4.3). Raw pixels reach 255.
LARGE_INPUT = 30.0
LARGE_TARGET = 30.0
# In fewer steps, equal numbers in each may be a coincidence.
MANY_STEPS = 10
FAR_TO_GO = "answers that begin near 0 have far to go"
# Times the loss of a constant guess, from which no few steps more would come down.
FAR = 100
# In orders of magnitude: usual initialisers differ by less than 2.
LARGE_KERNEL = 0.4
EFFICIENT = "LeCun et al. 1998, Efficient BackProp, section 4.3: inputs of mean 0 and variance 1"


def inputs_not_finite(evidence: Evidence) -> Finding | None:
    """Inputs that are NaN or infinite, in a network that may fail.

    One such number in one recorded step is enough (IEEE 754: a sum with NaN is NaN).
    """
    rows = np.flatnonzero(evidence.scalar("input_nonfinite") > 0)
    if not (len(rows) and evidence.may_fail):
        return None
    first = int(evidence.run.steps[rows[0]])
    count = float(evidence.scalar("input_nonfinite")[rows].sum())
    since = evidence.learning.since
    after = "" if since is None else f"; gradients or weights are NaN from step {since} on"
    return Finding(
        "inputs not finite",
        f"The inputs of step {first} were not finite ({_values(count)} in all){after}.",
        _without_them(evidence, rows),
        "IEEE 754: a sum with NaN is NaN",
        steps=(first, int(evidence.run.steps[rows[-1]])),
        evidence={"values": count, "steps": len(rows)},
    )


def _without_them(evidence: Evidence, rows: np.ndarray) -> str:
    """What to do about samples with numbers that are not finite, or about features with them."""
    if _is_feature(evidence, rows):
        return (
            "every sample has such a value, as in a feature that was divided by a standard "
            "deviation of 0: `x = np.nan_to_num(x, posinf=0.0, neginf=0.0)`"
        )
    usual = np.median(evidence.scalar("input_nonfinite")[rows])
    some = f", with about {_values(usual)} in a step" if len(rows) >= MANY_STEPS else ""
    kept = "x, y = x[good], y[good]`" if evidence.run.info.get("labels") else "x = x[good]`"
    return (
        f"leave out the samples that are not finite{some}: "
        f"`good = np.isfinite(x).reshape(len(x), -1).all(axis=1); {kept}"
    )


def _is_feature(evidence: Evidence, rows: np.ndarray) -> bool:
    """Whether a feature is never finite.

    It gives one number for each sample or more, and equal ones in all full batches. Single broken
    samples come in other numbers from batch to batch.
    """
    info, steps = evidence.run.info, len(evidence.run.steps)
    if len(rows) < MANY_STEPS or len(rows) < steps:
        return False
    sizes = [row.get("count", 0) for row in info.get("labels") or []]
    size = max(sizes, default=0) / (steps / max(1, len(info.get("optimizers") or [])))
    values, times = np.unique(evidence.scalar("input_nonfinite")[rows], return_counts=True)
    return bool(times.max() >= steps / 2 and values[times == times.max()].max() >= size)


def inputs_alike(evidence: Evidence) -> Finding | None:
    """Inputs that are one and the same number, in a network that may fail.

    The smallest and the largest input of all recorded steps are equal, to the last digit. There is
    no limit to choose.
    """
    low = evidence.extreme("input_min", largest=False)
    high = evidence.extreme("input_max", largest=True)
    if not (evidence.may_fail and low == high):
        return None
    return Finding(
        "inputs alike",
        f"Every number in the inputs is {plain(low, 4)}, so the network sees the same sample each "
        "time.",
        "look at how the inputs are read: `x.std()` has to be above 0",
        "a function of a constant is a constant",
        steps=evidence.span,
        evidence={"input": low},
    )


def targets_alike(evidence: Evidence) -> Finding | None:
    """Labels that are all the same, in a network that may fail.

    One class has a share above 1 - 1e-12, or the variance of a single target is at most 1e-12 of
    its squared mean. 1e-12 leaves room for rounding: labels whose deviation is a millionth of their
    size are one number.

    Every output with known labels has to have such ones, and a loss that compares them with the
    answers (a crossentropy, mse, mae, Huber or log-cosh): other losses may be handed any labels.
    """
    heads = [head for head in evidence.heads if head.labels]
    is_same = all(head.loss in COMPARING and head.is_constant for head in heads)
    if not (evidence.may_fail and heads and is_same):
        return None
    return Finding(
        "targets alike",
        "All labels are the same, so there is nothing to tell apart: a constant is the right "
        "answer.",
        "look at how the labels are read: `np.unique(y)` has to hold several values",
        "Gibbs' inequality: labels without entropy say nothing",
        layers=tuple(head.name for head in heads if head.name),
        steps=evidence.span,
        evidence={"variance": 0.0},
    )


def _values(count: float) -> str:
    return f"{count:.0f} such value{'s' if count > 1 else ''}"


def targets_not_finite(evidence: Evidence) -> Finding | None:
    """Labels that are NaN or infinite, in a run that ends in NaN.

    One batch with such labels is enough, if gradients, weights or loss are NaN or infinite from a
    step on to the end (IEEE 754: a sum with NaN is NaN). It is not said where more batches have
    such labels than steps were made from there on: the network survived some of them.
    """
    count, since = broken_labels(evidence.run), evidence.learning.since
    if not count or since is None:
        return None
    steps = evidence.run.steps
    # Of the steps between two recorded ones, some may have been broken already.
    gap = np.diff(steps).max(initial=1)
    if count > steps[-1] - since + 2 * gap - 1:  # it survived some of them
        return None
    layers = [head.name for head in evidence.heads if head.labels.get("nonfinite")]
    return Finding(
        "targets not finite",
        f"The labels of {count} batch{'es' * (count > 1)} were not finite; gradients or weights "
        f"are NaN from step {since} on.",
        "leave these samples out: `good = np.isfinite(y).reshape(len(y), -1).all(axis=1); "
        "x, y = x[good], y[good]`",
        "IEEE 754: a sum with NaN is NaN",
        layers=tuple(filter(None, layers)),
        steps=evidence.span,
        evidence={"batches": float(count)},
    )


def weights_not_finite(evidence: Evidence) -> Finding | None:
    """Weights that are NaN or infinite before the first step.

    One such number is enough (IEEE 754: a sum with NaN is NaN). Step 0 has to be recorded. Whether
    the network fails is not asked.
    """
    layers = broken_at_first(evidence.run)
    if not layers:
        return None
    return Finding(
        "weights not finite",
        f"The weights of {few(layers)} are NaN or infinite before any update.",
        "begin with finite weights: load weights that were saved before they broke, or build the "
        "model anew and look at its initialisers",
        "IEEE 754: a sum with NaN is NaN",
        layers=tuple(layers),
        steps=(0, 0),
        evidence={"layers": float(len(layers))},
    )


def inputs_too_large(evidence: Evidence) -> Finding | None:
    """Inputs far from unit size that nothing in the model scales, in a network that fails.

    One input is above 30 or below -30. LeCun et al. 1998 ask for a variance of 1, and raw pixels
    reach 255; 30 between the two is a convention. It is said as well where many steps leave it open
    whether the network learns.

    It is not said where the model looks inputs up as tokens, or where a layer named like a
    rescaling or a normalisation comes before the first kernel.
    """
    low = evidence.extreme("input_min", largest=False)
    high = evidence.extreme("input_max", largest=True)
    reach = max(abs(low), abs(high))
    fails = evidence.fails_or_leaves_it_open
    if not (fails and reach > LARGE_INPUT) or _is_scaled_inside(evidence):
        return None
    is_image = low >= 0 and high <= 255
    remedy = (
        "scale them: `x = x / 255`"
        if is_image
        else "scale them: `x = (x - x.mean()) / x.std()`"
        if _is_convolutional(evidence)
        else "scale them: `x = (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-7)`"
    )
    return Finding(
        "inputs too large",
        f"The inputs reach {plain(high if abs(high) == reach else low, 4)}.",
        # The rate was chosen, if at all, for gradients of another size.
        remedy + _and_smaller_kernels(evidence) + with_sound_rate(evidence),
        EFFICIENT,
        evidence={"input_min": low, "input_max": high},
    )


def _is_convolutional(evidence: Evidence) -> bool:
    """Whether the first kernel slides: all positions share it, so they keep one scale."""
    shapes = evidence.run.weights["shape"].iloc[evidence.kernels[:1]]
    return any(len(shape) > 2 for shape in shapes)


def _and_smaller_kernels(evidence: Evidence) -> str:
    """The end of the remedy where kernels, too, are too large: inputs alone would not help."""
    levels = sizes_at_start(evidence)
    if not (len(levels) and levels.mean() > LARGE_KERNEL):
        return ""
    return (
        f', and begin with smaller kernels, `kernel_initializer="he_normal"`: they are '
        f"{10 ** levels.mean():.0f} times as large as keeps the size of a signal"
    )


def _is_scaled_inside(evidence: Evidence) -> bool:
    """Whether the model scales its inputs, or looks them up as tokens."""
    info, weights = evidence.run.info, evidence.run.weights
    with_kernel = set(weights["layer"][weights["shape"].map(len) > 1])
    calls = info.get("calls") or []
    first = next((n for n, name in enumerate(calls) if name in with_kernel), len(calls))
    before = [name.lower() for name in calls[:first]]
    looks_up = weights["role"].isin(["embeddings"]).any()
    return bool(looks_up) or any("rescal" in name or "norm" in name for name in before)


def targets_too_large(evidence: Evidence) -> Finding | None:
    """Targets of a regression far from unit size, in a network that fails.

    Their root mean square is above 30 (a convention, as for inputs), and the loss is mse, mae,
    Huber or log-cosh.

    It is said as well where many steps leave it open whether the network learns, and where the
    state is *unknown* and the loss ends above 100 times that of a constant guess: no few steps more
    would come down from there. 100 is a convention.
    """
    losses, guess = evidence.losses, evidence.learning.guess
    is_far = losses is not None and losses.end.value > FAR * guess
    is_far = is_far and evidence.learning.state == "unknown"
    fails = evidence.fails_or_leaves_it_open or is_far
    for head in evidence.heads:
        variance = head.labels.get("variance", 0.0)
        size = float(np.hypot(head.labels.get("mean", 0.0), np.sqrt(variance)))
        is_squared = head.loss in SQUARED
        if fails and (is_squared or head.loss in LINEAR) and size > LARGE_TARGET:
            which = (
                f"the targets of {head.name}" if len(evidence.heads) > 1 and head.name else "them"
            )
            follows = "the squared error and its gradients are huge" if is_squared else FAR_TO_GO
            return Finding(
                "targets too large",
                f"The targets have a root mean square of {plain(size, 4)}, so {follows}.",
                f"scale {which}: `y = (y - y.mean()) / y.std()`",
                EFFICIENT,
                layers=(head.name,) * bool(head.name),
                evidence={"mean": head.labels.get("mean", np.nan), "variance": variance},
            )
    return None
