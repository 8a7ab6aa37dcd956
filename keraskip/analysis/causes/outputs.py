"""Causes that lie between the output and the loss."""

from collections.abc import Callable

import numpy as np

from keraskip.analysis.causes.head_lines import ACTIVATIONS, head_line
from keraskip.analysis.evidence import Evidence
from keraskip.analysis.finding import Finding
from keraskip.analysis.heads import Head, activation_before
from keraskip.analysis.numbers import plain

UMLAUT = "Schoop et al. 2021 (UMLAUT), Nikanjam et al. 2021 (NeuraLint)"
RANGES = {"sigmoid": (0.0, 1.0), "softmax": (0.0, 1.0), "tanh": (-1.0, 1.0), "relu": (0.0, np.inf)}
# Targets whose mean is that of the inputs, but for this share of their deviation, are the inputs.
SAME_MEAN = 0.02
PIXELS = 255
# What is wrong with an output, and what to change; None if it is right.
HeadRule = Callable[[Head, Evidence], tuple[str, str] | None]
Cause = Callable[[Evidence], Finding | None]


def _of_outputs(kind: str, when: str = "") -> Callable[[HeadRule], Cause]:
    """Makes a cause of a rule about single outputs: it finds the first output that breaks the rule.

    Args:
        kind: the name of the cause.
        when: the property of the evidence that has to hold, such as `fails`; empty for none.
    """

    def made(rule: HeadRule) -> Cause:
        def cause(evidence: Evidence) -> Finding | None:
            heads = evidence.heads if not when or getattr(evidence, when) else []
            for head, said in ((head, rule(head, evidence)) for head in heads):
                if said:
                    layers = (head.name,) * bool(head.name)
                    units = {"units": float(head.units)}
                    return Finding(kind, said[0], said[1], UMLAUT, layers=layers, evidence=units)
            return None

        cause.__doc__ = rule.__doc__
        return cause

    return made


def _binary(head: Head, evidence: Evidence) -> str:
    return f'{head_line(evidence, head, 1, "sigmoid")} with `loss="binary_crossentropy"`'


@_of_outputs("softmax over one unit")
def softmax_over_one_unit(head: Head, evidence: Evidence) -> tuple[str, str] | None:
    """A softmax over a single unit.

    It is always 1, even where Keras trains on the logits. So it is said of every such output,
    whether the network learns or not. There is no limit to choose.
    """
    if not (head.activation == "softmax" and head.units == 1):
        return None
    return f"{head.name} is a softmax over one unit: it always answers 1.", _binary(head, evidence)


@_of_outputs("too few output units", "may_fail")
def too_few_units(head: Head, evidence: Evidence) -> tuple[str, str] | None:
    """A categorical loss over fewer units than classes, in a network that may fail.

    The classes are counted in the labels, and there are at least 2.
    """
    classes = max(len(head.shares), 2)
    if not (head.is_categorical and 0 < head.units < classes):
        return None
    return (
        f"{head.name} has {head.units} unit{'s' * (head.units > 1)}, and the labels are of "
        f"{classes} classes.",
        head_line(evidence, head, classes, "softmax") if classes > 2 else _binary(head, evidence),
    )


@_of_outputs("logits taken for probabilities", "fails_or_has_no_better_loss")
def logits_taken_for_probabilities(head: Head, evidence: Evidence) -> tuple[str, str] | None:
    """An output without softmax or sigmoid, and a crossentropy of probabilities.

    The loss is a crossentropy without `from_logits=True`, and the activation is known to be none of
    softmax, sigmoid and hard sigmoid. There is no limit to choose.

    The network fails, or many steps leave that open, or the loss did not fall and ends above that
    of a constant guess by its 95 % interval, even if the accuracy rises.
    """
    is_bounded = head.activation in ("softmax", "sigmoid", "", "hard_sigmoid")
    if not head.is_crossentropy or is_bounded or head.from_logits:
        return None
    right = "softmax" if head.is_categorical else "sigmoid"
    return (
        f"{head.name} has the activation {head.activation}, and the crossentropy expects "
        "probabilities.",
        head_line(evidence, head, head.units, right),
    )


@_of_outputs("probabilities taken for logits", "fails")
def probabilities_taken_for_logits(head: Head, evidence: Evidence) -> tuple[str, str] | None:
    """An output with softmax, sigmoid or tanh, and a crossentropy with `from_logits=True`, in a
    network that fails.

    Or a softmax or sigmoid in front of the softmax or sigmoid of the output. There is no limit to
    choose.
    """
    is_bounded = head.activation in ("softmax", "sigmoid", "tanh")
    if not (head.is_crossentropy and is_bounded):
        return None
    before = activation_before(evidence.run, head.name)
    if head.kind in ACTIVATIONS and before in ("softmax", "sigmoid"):
        return (
            f"The output has two activations: {before}, and {head.activation} of {head.name}.",
            f"leave one of the two out: {head_line(evidence, head, head.units)}",
        )
    if not head.from_logits:
        return None
    return (
        f"{head.name} has the activation {head.activation}, and the crossentropy with "
        "from_logits=True applies another.",
        f"{head_line(evidence, head, head.units)}, without activation",
    )


@_of_outputs("no softmax with a categorical loss", "fails")
def sigmoid_over_classes(head: Head, evidence: Evidence) -> tuple[str, str] | None:
    """A sigmoid or hard sigmoid over classes, with a loss for which one class is right, in a
    network that fails.

    The loss is a categorical crossentropy, sparse or not. There is no limit to choose.
    """
    if not (head.is_categorical and head.activation in ("sigmoid", "hard_sigmoid")):
        return None
    return (
        f"{head.name} has the activation {head.activation}, and the crossentropy expects "
        "the probabilities of classes, which sum to 1.",
        head_line(evidence, head, head.units, "softmax"),
    )


def targets_out_of_reach(evidence: Evidence) -> Finding | None:
    """Targets that the activation of the output cannot give, in a network that may fail.

    Sigmoid and softmax answer between 0 and 1, tanh between -1 and 1, relu above 0. The mean of the
    targets lies outside; or their variance is above 1.01 times (high - mean) (mean - low), the most
    that numbers between the two ends have (Bhatia & Davis 2000). The 1% is for rounding.

    A crossentropy of such targets is named in any network: it has no lowest value.

    Targets of several units whose mean is that of the inputs, but for 2% of their deviation (a
    convention), are taken for the inputs: the remedy scales both, numbers from 0 to 255 as pixels.
    """
    found = [head for head in evidence.heads if _is_out_of_reach(head)]
    # A crossentropy of such labels has no lowest value, and its fall says nothing.
    found = [head for head in found if evidence.may_fail or head.is_crossentropy]
    if not found:
        return None
    head = found[0]
    low, high = RANGES[head.activation]
    mean, variance = head.labels["mean"], head.labels.get("variance", 0.0)
    reach = f"between {low:g} and {high:g}" if np.isfinite(high) else f"above {low:g}"
    return Finding(
        "targets out of reach",
        f"{head.name} answers {reach} ({head.activation}), and the "
        f"targets lie outside: mean {plain(mean)}, standard deviation {plain(variance**0.5)}.",
        _within_reach(head, evidence),
        UMLAUT,
        layers=(head.name,) * bool(head.name),
        evidence={"mean": mean, "variance": variance, "units": float(head.units)},
    )


def _is_out_of_reach(head: Head) -> bool:
    """Numbers between a and b of mean m have a variance of at most (b - m) (m - a).

    The bound is that of Bhatia & Davis 2000.
    """
    low, high = RANGES.get(head.activation, (-np.inf, np.inf))
    mean, variance = head.labels.get("mean", np.nan), head.labels.get("variance", 0.0)
    if np.isnan(mean) or head.activation not in RANGES:
        return False
    return mean < low or mean > high or variance > 1.01 * (high - mean) * (mean - low) + 1e-6


def _are_inputs(head: Head, evidence: Evidence) -> bool:
    """Whether the targets are the inputs, as those of an autoencoder: their means are the same."""
    means, deviation = evidence.scalar("input_mean"), head.labels.get("variance", np.nan) ** 0.5
    means = means[np.isfinite(means)]
    is_same = len(means) and abs(means.mean() - head.labels["mean"]) < SAME_MEAN * deviation
    return bool(is_same and head.units > 1)


def _both_within_reach(head: Head, evidence: Evidence) -> str:
    """The remedy for targets that are the inputs."""
    low, high = RANGES[head.activation]
    high = min(high, 1.0)
    largest = evidence.extreme("input_max", largest=True)
    is_pixels = evidence.extreme("input_min", largest=False) >= 0 and 1 < largest <= PIXELS
    share = f"x / {PIXELS}" if is_pixels else "(x - x.min()) / (x.max() - x.min())"
    line = f"x = {share}" if low == 0 else f"x = 2 * {share} - 1"
    return f"the targets are the inputs, so scale both to between {low:g} and {high:g}: `{line}`"


def _within_reach(head: Head, evidence: Evidence) -> str:
    if _are_inputs(head, evidence):
        return _both_within_reach(head, evidence)
    if head.is_crossentropy:
        return "labels between 0 and 1: `y = (y - y.min()) / (y.max() - y.min())`"
    # A saturated output gives small gradients, and a rate that was chosen for them is too high.
    line = head_line(evidence, head, head.units or 1)
    return (
        f'an output without activation, {line}, with `loss="mse"` '
        "on `y = (y - y.mean(axis=0)) / (y.std(axis=0) + 1e-7)`; its gradients are larger, so "
        "train with `optimizer = keras.optimizers.Adam(learning_rate=0.001)`"
    )
