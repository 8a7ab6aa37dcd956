"""What is certain before a training has ended: from its first step on, or past all recovery.

The causes of `analysis/causes/` judge a network that fails. Here stands what shows, before anybody
knows whether it fails, that a cause is at work.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from keraskip.analysis.causes import CAUSES, LAST_RESORTS, diagnose
from keraskip.analysis.evidence import Evidence
from keraskip.analysis.finding import Finding
from keraskip.analysis.heads import COMPARING
from keraskip.analysis.learning import Learning, learning_of
from keraskip.analysis.verdicts import judge
from keraskip.runs import Run

# Fewer steps without any change may be a pause.
FEWEST_STILL = 10
# The last rows, in which weights are NaN if they are at all.
LAST_ROWS = 10
# More steps alone may end these, and the last resorts need the whole training.
MAY_PASS = ("too slow", "input lost", "weak lower layers", *LAST_RESORTS)


def certain_at_once(run: Run) -> list[Finding]:
    """What is wrong with a run of no step, or one, whatever follows.

    The most upstream finding about a layer, or about none, stands for the others.
    """
    supposed = replace(learning_of(run), state="not learning")
    evidence = Evidence(run, supposed, judge(run))
    firsts: dict[tuple[str, ...], Finding] = {}
    for kind, is_certain in AT_ONCE.items():
        finding = CAUSES[kind](evidence)
        if finding and is_certain(evidence, finding):
            firsts.setdefault(finding.layers, finding)
    return list(firsts.values())


def first_findings(run: Run) -> list[Finding]:
    """The most upstream finding about each part of a run that fails, in the middle of a training.

    Those are left out that more steps alone may end.
    """
    found = []
    for part in run.parts:
        learning = learning_of(part)
        if learning.fails:
            found += diagnose(part, learning=learning)[:1]
    return [finding for finding in found if finding.kind not in MAY_PASS]


def lost_weights(run: Run, learning: Learning) -> str:
    """That weights are NaN, where they are; no further step can help then."""
    are_nan = np.isnan(run.weight_norm[-LAST_ROWS:]) & ~run.missing[-LAST_ROWS:]
    if learning.since is None or not are_nan.any():
        return ""
    return f"weights are NaN since step {learning.since}, and stay so"


def standstill(run: Run, learning: Learning) -> str:
    """That no weight moves any more in a network that fails, where it is so."""
    half = len(run.steps) // 2
    updates = run.update_norm[half:]
    is_still = np.isfinite(updates).any() and not np.nan_to_num(updates).any()
    if not (learning.fails and is_still and len(updates) >= FEWEST_STILL):
        return ""
    return f"no update has changed any weight since step {run.steps[half]}"


def _always(evidence: Evidence, finding: Finding) -> bool:
    """Of a network built like this the output is wrong in every step."""
    return True


def _is_broken(evidence: Evidence, finding: Finding) -> bool:
    """A model may leave NaN in its inputs out, but this one has NaN in its gradients."""
    return evidence.learning.since is not None


def _should_equal(evidence: Evidence, finding: Finding) -> bool:
    """A loss of one's own may do anything with what `fit` calls targets."""
    return all(head.loss in COMPARING for head in evidence.heads if head.name in finding.layers)


def _is_linear(evidence: Evidence, finding: Finding) -> bool:
    """An output that is no layer with an activation may have been bounded before.

    The network may learn with another activation, such as ReLU.
    """
    outputs = evidence.run.info.get("outputs") or []
    known = {output["layer"]: output["activation"] for output in outputs}
    return all(known.get(layer) == "linear" for layer in finding.layers)


def _is_applied_twice(evidence: Evidence, finding: Finding) -> bool:
    """On TensorFlow Keras finds the logits behind softmax or sigmoid, warns, and trains on them."""
    return evidence.run.info.get("backend") != "tensorflow"


def _never_had_a_rate(evidence: Evidence, finding: Finding) -> bool:
    """Compiled with a rate of 0, no schedule, and 0 in the first step, too.

    Whoever sets the rate in a callback may compile with 0, or begin with 0.
    """
    first = evidence.scalar("learning_rate")[:1]
    return evidence.optimizer.get("learning_rate") == 0 and bool((first == 0).any())


def _get_no_gradient(evidence: Evidence, finding: Finding) -> bool:
    """Units alike that get different gradients part, as behind a residual branch of zeros."""
    kernels = [column for column in evidence.kernels if evidence.layer_of(column) in finding.layers]
    return bool(kernels) and bool(evidence.silent[:1][:, kernels].all(axis=1).any())


def _throws_weights_away(evidence: Evidence, finding: Finding) -> bool:
    """The first update is larger than a kernel; Adam, whose updates have a size, copes."""
    return bool((evidence.largest_ratios(evidence.first_rows[:1]) > 1).any())


# Kinds that need no training, and what makes them certain, in the order of `CAUSES`.
AT_ONCE: dict[str, Callable[[Evidence, Finding], bool]] = {
    "inputs not finite": _is_broken,
    "targets not finite": _is_broken,
    "weights not finite": _is_broken,
    "softmax over one unit": _always,
    "too few output units": _always,
    "targets out of reach": _should_equal,
    "logits taken for probabilities": _is_linear,
    "probabilities taken for logits": _is_applied_twice,
    "learning rate 0": _never_had_a_rate,
    "units alike": _get_no_gradient,
    "inputs too large": _throws_weights_away,
    "targets too large": _throws_weights_away,
    "overflow in the first step": _always,
}
