"""Causes that lie between the output and the loss."""

from collections.abc import Callable

import numpy as np

from keraskip.analysis.evidence import Evidence
from keraskip.analysis.finding import Finding
from keraskip.analysis.heads import Head

UMLAUT = "Schoop et al. 2021 (UMLAUT), Nikanjam et al. 2021 (NeuraLint)"
RANGES = {"sigmoid": (0.0, 1.0), "softmax": (0.0, 1.0), "tanh": (-1.0, 1.0), "relu": (0.0, np.inf)}


def _first(
    evidence: Evidence, kind: str, rule: Callable[[Head], tuple[str, str] | None]
) -> Finding | None:
    """The finding about the first output to which a rule has something to say."""
    for head in evidence.heads:
        said = rule(head)
        if said:
            layers = (head.name,) * bool(head.name)
            units = {"units": float(head.units)}
            return Finding(kind, said[0], said[1], UMLAUT, layers=layers, evidence=units)
    return None


def softmax_over_one_unit(evidence: Evidence) -> Finding | None:
    """A softmax over a single unit: it is always 1, even where Keras trains on the logits."""

    def rule(head: Head) -> tuple[str, str] | None:
        if not (head.activation == "softmax" and head.units == 1):
            return None
        return (
            f"{head.name} is a softmax over one unit: it always answers 1.",
            '`keras.layers.Dense(1, "sigmoid")` with `loss="binary_crossentropy"`',
        )

    return _first(evidence, "softmax over one unit", rule)


def too_few_units(evidence: Evidence) -> Finding | None:
    """A categorical loss over fewer units than classes."""

    def rule(head: Head) -> tuple[str, str] | None:
        classes = max(len(head.shares), 2)
        if not (head.is_categorical and 0 < head.units < classes):
            return None
        return (
            f"{head.name} has {head.units} unit{'s' * (head.units > 1)}, and the labels are of "
            f"{classes} classes.",
            f'`keras.layers.Dense({classes}, "softmax")`'
            if classes > 2
            else '`keras.layers.Dense(1, "sigmoid")` with `loss="binary_crossentropy"`',
        )

    return _first(evidence, "too few output units", rule) if evidence.may_fail else None


def targets_out_of_reach(evidence: Evidence) -> Finding | None:
    """Targets that the activation of the output cannot give.

    Numbers between a and b of mean m have a variance of at most (b - m) (m - a)
    (Bhatia & Davis 2000).
    """

    def rule(head: Head) -> tuple[str, str] | None:
        low, high = RANGES.get(head.activation, (-np.inf, np.inf))
        mean, variance = head.labels.get("mean", np.nan), head.labels.get("variance", 0.0)
        outside = mean < low or mean > high or variance > 1.01 * (high - mean) * (mean - low) + 1e-6
        if not outside or np.isnan(mean):
            return None
        return (
            f"{head.name} answers between {low:g} and {high:g} ({head.activation}), and the "
            f"targets lie outside: mean {mean:.3g}, standard deviation {variance**0.5:.3g}.",
            f"an output without activation, `keras.layers.Dense({head.units or 1})`, with "
            '`loss="mse"`',
        )

    return _first(evidence, "targets out of reach", rule) if evidence.may_fail else None


def logits_taken_for_probabilities(evidence: Evidence) -> Finding | None:
    """An output without softmax or sigmoid, and a crossentropy of probabilities."""

    def rule(head: Head) -> tuple[str, str] | None:
        is_bounded = head.activation in ("softmax", "sigmoid", "", "hard_sigmoid")
        if not head.is_crossentropy or is_bounded or head.from_logits:
            return None
        right = "softmax" if head.is_categorical else "sigmoid"
        return (
            f"{head.name} has the activation {head.activation}, and the crossentropy expects "
            "probabilities.",
            f'`keras.layers.Dense({head.units}, "{right}")`',
        )

    return _first(evidence, "logits taken for probabilities", rule) if evidence.fails else None


def probabilities_taken_for_logits(evidence: Evidence) -> Finding | None:
    """An output with softmax or sigmoid, and a crossentropy with `from_logits=True`."""

    def rule(head: Head) -> tuple[str, str] | None:
        is_bounded = head.activation in ("softmax", "sigmoid", "tanh")
        if not (head.is_crossentropy and is_bounded and head.from_logits):
            return None
        return (
            f"{head.name} has the activation {head.activation}, and the crossentropy with "
            "from_logits=True applies another.",
            f"`keras.layers.Dense({head.units})`, without activation",
        )

    return _first(evidence, "probabilities taken for logits", rule) if evidence.fails else None


def sigmoid_with_a_categorical_loss(evidence: Evidence) -> Finding | None:
    """A sigmoid over classes, with a loss for which one class is right."""

    def rule(head: Head) -> tuple[str, str] | None:
        if not (head.is_categorical and head.activation in ("sigmoid", "tanh", "relu")):
            return None
        return (
            f"{head.name} has the activation {head.activation}, and the crossentropy expects "
            "the probabilities of classes, which sum to 1.",
            f'`keras.layers.Dense({head.units}, "softmax")`',
        )

    return _first(evidence, "no softmax with a categorical loss", rule) if evidence.fails else None


def no_gradient(evidence: Evidence) -> Finding | None:
    """Every gradient is exactly 0 in most of the late steps, in a network that may fail."""
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
        _remedy_for_silence(evidence),
        "the chain rule: a saturated output or a dead output unit has a derivative of 0",
        layers=tuple(head.name for head in evidence.heads if head.name),
        steps=(first, int(run.steps[-1])),
        evidence={"share of late steps": share},
    )


def _remedy_for_silence(evidence: Evidence) -> str:
    head = evidence.heads[0] if len(evidence.heads) == 1 else None
    if head and head.activation == "relu":
        return f"an output without activation: `keras.layers.Dense({head.units})`"
    if head and head.activation in ("sigmoid", "softmax", "tanh") and not head.is_crossentropy:
        loss = "binary_crossentropy" if head.activation == "sigmoid" else "categorical_crossentropy"
        return f'the output is saturated: `loss="{loss}"`, whose gradient does not vanish there'
    return (
        "check the output's activation against the loss, and begin with smaller weights in the "
        'output layer: `kernel_initializer="glorot_uniform"`'
    )
