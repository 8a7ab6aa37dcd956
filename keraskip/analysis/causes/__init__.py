"""Causes of failing training: `diagnose` asks each of them about a run.

A cause is a function from evidence to a finding or None, and a row of `CAUSES`. A network that
learns has no finding, unless its output cannot fit its labels or its loss.
"""

from collections.abc import Callable

from keraskip.analysis.causes import (
    attention,
    course,
    decay,
    depth,
    dropout,
    frozen,
    inputs,
    labels,
    layers,
    outputs,
    silent,
    time,
)
from keraskip.analysis.causes.rates import is_usual
from keraskip.analysis.evidence import Evidence
from keraskip.analysis.finding import Finding
from keraskip.analysis.learning import Learning, learning_of
from keraskip.analysis.verdicts import Verdict, judge
from keraskip.runs import Run

# The most upstream cause first: data, loss, start, updates, course, depth. A finding stands for
# what follows from it, so the order is that of the answer.
CAUSES: dict[str, Callable[[Evidence], Finding | None]] = {
    "inputs not finite": inputs.inputs_not_finite,
    "targets not finite": inputs.targets_not_finite,
    "weights not finite": inputs.weights_not_finite,
    "inputs alike": inputs.inputs_alike,
    "targets alike": inputs.targets_alike,
    "softmax over one unit": outputs.softmax_over_one_unit,
    "too few output units": outputs.too_few_units,
    "targets out of reach": outputs.targets_out_of_reach,
    "logits taken for probabilities": outputs.logits_taken_for_probabilities,
    "probabilities taken for logits": outputs.probabilities_taken_for_logits,
    "learning rate 0": frozen.rate_zero,
    "negative learning rate": frozen.rate_negative,
    "clipping": frozen.clipping,
    "units alike": layers.units_alike,
    "inputs too large": inputs.inputs_too_large,
    "targets too large": inputs.targets_too_large,
    "float16 underflow": depth.half_precision,
    "loss too small": frozen.loss_too_small,
    "no update": frozen.no_update,
    "updates too small": frozen.updates_too_small,
    "overflow in the first step": course.overflow_at_once,
    "cut off": silent.no_way_for_the_gradient,
    "weight decay": decay.weight_decay,
    "one bad layer": layers.one_bad_layer,
    "exploding": depth.exploding,
    "learning rate too high": course.rate_too_high,
    "late failure": course.late_failure,
    "no gradient": silent.no_gradient,
    "dead layer": layers.dead_layer,
    "attention collapse": attention.attention_collapse,
    "vanishing": depth.vanishing,
    "too much dropout": dropout.too_much_dropout,
    "input lost": labels.input_lost,
    "no softmax with a categorical loss": outputs.sigmoid_over_classes,
    "time": time.vanishing_over_time,
    "too slow": frozen.too_slow,
    "weak lower layers": depth.weak_lower_layers,
}
# Said only where no cause was found.
LAST_RESORTS: dict[str, Callable[[Evidence], Finding | None]] = {
    "time not seen": time.time_not_seen,
    "nothing to learn": labels.nothing_to_learn,
    "unexplained": labels.unexplained,
}

# What updates do comes after what holds before the first one. Small updates at a usual rate come
# after a signal that vanishes.
OF_UPDATES = (
    "clipping",
    "updates too small",
    "learning rate too high",
    "late failure",
    "dead layer",
    "no gradient",
)
# What dropout brings about where it makes the signal grow.
OF_GROWTH = ("exploding", "learning rate too high", "dead layer")


def diagnose(
    run: Run, verdict: Verdict | None = None, learning: Learning | None = None
) -> list[Finding]:
    """The causes found in a run, the most upstream one first.

    Empty for a network that learns, unless its output cannot fit its labels or its loss.

    Args:
        run: a run, finished or not.
        verdict: what happens to its signal, `judge(run)` by default.
        learning: whether it learns, `learning_of(run)` by default.

    Example:

    >>> for finding in diagnose(load_run("runs/mine")):  # doctest: +SKIP
    ...     print(finding)
    """
    evidence = Evidence(run, learning or learning_of(run), verdict or judge(run))
    found = [finding for finding in (cause(evidence) for cause in CAUSES.values()) if finding]
    # The sort keeps the order of the others.
    if evidence.shrinks_at_start or evidence.grows_at_start:
        found.sort(key=lambda finding: finding.kind in OF_UPDATES)
    elif evidence.verdict.verdict == "vanishing" and is_usual(evidence):
        found.sort(key=lambda finding: finding.kind == "updates too small")
    is_dropout = any(finding.kind == "too much dropout" for finding in found)
    if is_dropout and dropout.makes_signal_grow(evidence):
        found.sort(key=lambda finding: finding.kind in OF_GROWTH)
    last = (cause(evidence) for cause in LAST_RESORTS.values())
    return found or [finding for finding in last if finding]
