"""Causes for which no gradient arrives: none leaves the loss, or none reaches some weights."""

import numpy as np

from keraskip.analysis.causes.course import late_failure
from keraskip.analysis.causes.head_lines import head_line
from keraskip.analysis.causes.level import NORMALIZATION, level
from keraskip.analysis.causes.rates import optimizer_line
from keraskip.analysis.evidence import Evidence
from keraskip.analysis.finding import Finding
from keraskip.analysis.numbers import plain
from keraskip.analysis.silence import Silence, lone_sample

# Four of them take off two orders.
FEW_SIGMOIDS = 3


def no_gradient(evidence: Evidence) -> Finding | None:
    """Every gradient is exactly 0 in most of the late steps, in a network that may fail.

    "Most" are more than half of them, a convention.
    """
    late, run = evidence.late, evidence.run
    here = ~run.missing
    quiet: np.ndarray = (evidence.silent | ~here).all(axis=1) & here.any(axis=1)
    share = float(quiet[late].mean()) if len(late) else 0.0
    if not (evidence.may_fail and share > 0.5):
        return None
    first = evidence.since(quiet)
    return Finding(
        "no gradient",
        f"No gradient leaves the loss since step {first}: all gradients are exactly 0 in "
        f"{share:.0%} of the late steps.",
        _remedy_for_silence(evidence, first),
        "the chain rule: a saturated output or a dead output unit has a derivative of 0",
        layers=tuple(head.name for head in evidence.heads if head.name),
        steps=(first, int(run.steps[-1])),
        evidence={"share of late steps": share},
    )


def _remedy_for_silence(evidence: Evidence, since: int) -> str:
    losses = evidence.losses
    if losses is not None and not losses.values.any():
        return (
            "the loss is 0 in every step: look for weights that are all 0, be it `sample_weight`, "
            "`class_weight` or `loss_weights`, for a mask that leaves nothing, and for a loss that "
            "does not use the answers"
        )
    if losses is not None and np.ptp(losses.values) == 0 and _have_other_labels(evidence):
        return (
            f"the loss is {plain(losses.values[0], 4)} in every step, whatever the batch: look "
            "for a loss that does not use the answers"
        )
    head = evidence.heads[0] if len(evidence.heads) == 1 else None
    if head and head.activation in ("relu", "softplus"):
        return (
            "an output without activation, whose bias begins with 0: "
            f"{head_line(evidence, head, head.units)}"
        )
    if head and head.activation in ("sigmoid", "softmax", "tanh") and not head.is_crossentropy:
        loss = "binary_crossentropy" if head.activation == "sigmoid" else "categorical_crossentropy"
        return f'the output is saturated: `loss="{loss}"`, whose gradient does not vanish there'
    started = (
        "begin with weights of the usual size, "
        '`kernel_initializer="he_normal"` with `activation="relu"` and `bias_initializer="zeros"`, '
        f"and `{NORMALIZATION}` after each hidden layer"
    )
    before = evidence.scalar("learning_rate")[evidence.run.steps < since]
    rate = float(np.median(before)) if len(before) > 1 else np.nan
    if not rate > 0:
        return started
    highest = float(np.nanmax(evidence.scalar("learning_rate")))
    right = rate if highest > 2 * rate else float(f"{rate / 10:.1g}")
    return f"a rate at which units survive: `{optimizer_line(evidence, learning_rate=right)}`"


def _have_other_labels(evidence: Evidence) -> bool:
    """Whether one batch differs from the next, so that even a dead output has other losses."""
    epochs = evidence.run.epochs
    several = len(epochs) > 0 and epochs["steps"].iloc[0] > 1
    return bool(several and not any(head.is_constant for head in evidence.heads))


def no_way_for_the_gradient(evidence: Evidence) -> Finding | None:
    """Weights that never get a gradient, in a network that fails and had not learned before.

    No recorded step has a gradient for them. On JAX, where a cut gradient is 0, it is 0 in all
    steps, the layer behind gets one, and the root mean square of the weights is below 1, so that
    nothing is saturated. 1 is a convention. Heads without a loss and layers that are never called
    do not count.

    Or a batch normalisation gets one number for each unit, as in a batch of one sample, and no
    layer in front of it ever gets a gradient: the mean of one number is that number (Ioffe &
    Szegedy 2015).
    """
    run = evidence.run
    if not (evidence.fails and len(run.steps)) or late_failure(evidence):
        return None
    # Heads without a loss, and layers that are never called, are no reason to fail.
    if found := _of_lone_samples(evidence, lone_sample(run)):
        return found
    silence, layer = Silence(run), run.weights["layer"]
    is_missing = run.missing.all(axis=0) & ~layer.isin(silence.heads).to_numpy()
    never = np.flatnonzero(is_missing | layer.isin(silence.cut_off).to_numpy())
    if not len(never):
        return None
    layers = tuple(dict.fromkeys(map(str, run.weights["layer"].iloc[never])))
    which = layers[0] if len(layers) == 1 else f"{len(layers)} layers, {layers[0]} first"
    return Finding(
        "cut off",
        f"No gradient ever reaches {which}.",
        "take out what cuts the way from these layers to the loss: `keras.ops.stop_gradient`, "
        "rounding, argmax, or an output without a loss" + _way_down(evidence),
        "the chain rule",
        layers=layers,
        steps=evidence.span,
        evidence={"weights": float(len(never))},
    )


def _of_lone_samples(evidence: Evidence, name: str) -> Finding | None:
    """A batch normalisation that sees one sample at a time, and so answers the same to each."""
    silent = evidence.silent[evidence.sound].all(axis=0)
    layers = tuple(dict.fromkeys(map(str, evidence.run.weights["layer"][silent])))
    if not (name and layers):
        return None
    return Finding(
        "cut off",
        f"No gradient passes {name}: in a batch of one sample it subtracts the sample from itself.",
        "larger batches, `batch_size=32` in `fit`, or `keras.layers.LayerNormalization()` in place "
        "of each `BatchNormalization`",
        "Ioffe & Szegedy 2015, algorithm 1",
        layers=layers,
        steps=evidence.span,
        evidence={"layers": float(len(layers))},
    )


def _way_down(evidence: Evidence) -> str:
    """The end of the remedy where the signal, let through, would vanish in sigmoids.

    The slope of a sigmoid is 1/4 at most, that of `hard_sigmoid` 1/6.
    """
    info = evidence.run.info
    # Older runs have no activations.
    pairs = zip(info.get("calls") or [], info.get("activations") or [], strict=False)
    # A layer that several samples pass is called several times.
    count = len({call.split("/")[-1] for call, name in pairs if "sigmoid" in (name or "")})
    if count <= FEW_SIGMOIDS:
        return ""
    return f"; and as {count} sigmoids would let little of the signal pass, {level(evidence)}"
