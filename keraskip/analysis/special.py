"""The verdicts that no line is needed for: `diverged`, `no gradient` and `dead`."""

from typing import NamedTuple

import numpy as np

from keraskip.analysis.heads import broken_labels
from keraskip.analysis.numbers import plain
from keraskip.analysis.rounding import is_rounding_error, precision
from keraskip.analysis.shapes import HEALTHY_ORDERS
from keraskip.analysis.silence import Silence, few
from keraskip.analysis.windows import MOST, has_gradient, late_steps, since, sound_steps
from keraskip.runs import Run

SPECIAL = ("diverged", "no gradient", "dead")


class Answer(NamedTuple):
    """A verdict with its reason; `keraskip.analysis.verdicts.Verdict` explains the fields."""

    verdict: str
    reason: str
    layers: tuple[str, ...] = ()
    since: int | None = None


def divergence(run: Run) -> Answer | None:
    """That the run diverged, with the step and the reason; None if it did not."""
    return _broken_gradients(run) or _broken_weights(run) or _grown_weights(run)


def _broken_gradients(run: Run) -> Answer | None:
    broken = np.flatnonzero(np.nansum(run.grad_nonfinite, axis=1))
    # Steps that loss scaling skips do no harm: sound steps follow, or no weight was changed.
    for_good = broken[broken > sound_steps(run).max(initial=-1)]
    last_update = run.update_norm[for_good[-1:]]
    if not len(for_good) or not (last_update[:, has_gradient(run)] != 0).any():
        return None
    first = int(for_good[0])
    step = int(run.steps[first])
    reason = f"gradients are NaN or infinite from step {step} on{_cause(run, first)}"
    return Answer("diverged", reason, (), step)


def _cause(run: Run, row: int) -> str:
    """The first thing that broke, as far as the run tells."""
    odd = run.scalars.get("input_nonfinite", np.full(len(run.steps), np.nan))[row]
    if odd > 0:
        numbers = "number" if odd == 1 else "numbers"
        verb = "was" if odd == 1 else "were"
        return f": {odd:.0f} {numbers} in the inputs of that step {verb} not finite"
    if broken_labels(run):
        count = broken_labels(run)
        return f": labels were not finite, in {count} batch{'es' * (count > 1)}"
    if run.steps[row]:
        return ""
    before = broken_at_first(run)
    if before:
        return f": the weights of {few(before)} were so before any update"
    if np.isfinite(run.scalars.get("loss", np.full(len(run.steps), np.nan))[row]):
        return ", before any update: the loss is finite, so a derivative overflows"
    if odd == 0:
        is_weighted = any(row.get("weighted") for row in run.info.get("labels") or [])
        others = ", or the weight of a sample is not finite" * is_weighted
        return (
            ", before any update: the inputs were finite, so the activations or the loss overflow"
            + others
        )
    return ", before any update: the activations or the loss overflow, or the inputs are not finite"


def broken_at_first(run: Run) -> list[str]:
    """The layers with weights that are not finite before the first step, where that is recorded."""
    if not len(run.steps) or run.steps[0]:
        return []
    is_broken = ~np.isfinite(run.weight_norm[0]) & ~run.missing[0]
    return list(dict.fromkeys(map(str, run.weights["layer"][is_broken])))


def _broken_weights(run: Run) -> Answer | None:
    # A fused ReLU turns NaN into 0, and the gradients are finite again.
    is_broken = ~np.isfinite(run.weight_norm) & ~run.missing
    rows = np.flatnonzero(is_broken.any(axis=1))
    if not len(rows) or rows[-1] < sound_steps(run).max(initial=-1):
        return None
    step = int(run.steps[rows[0]])
    layer = str(run.weights["layer"][int(np.argmax(is_broken[rows[0]]))])
    reason = f"weights are NaN or infinite from step {step} on, first in {layer}"
    return Answer("diverged", reason, (layer,), step)


def _grown_weights(run: Run) -> Answer | None:
    rows = sound_steps(run)
    norms = np.sqrt(np.nansum(np.square(run.weight_norm[rows].astype(float)), axis=1))
    if not len(norms) or not norms[0] > 0 or np.log10(norms.max() / norms[0]) <= HEALTHY_ORDERS:
        return None
    step = int(run.steps[rows[int(np.argmax(norms > norms[0] * 10**HEALTHY_ORDERS))]])
    reason = f"the weights grew {norms.max() / norms[0]:.0f}-fold, 100-fold by step {step}"
    return Answer("diverged", reason, (), step)


def of_silence(run: Run, silence: Silence) -> Answer | None:
    """The answer where layers get nothing that should get something."""
    if silence.is_everywhere:
        step = silence.since(silence.layers)
        reason = f"none leaves the loss, all are exactly 0 {_when(run, step)}{_why(run)}"
        return Answer("no gradient", reason, (), step)
    if silence.underflowed and precision(run) == "float16":
        step, zeros = _zeros(run, silence, silence.underflowed)
        reason = f"{zeros}: float16 has no number below 6e-8, which loss scaling would make up for"
        return Answer("no gradient", reason, tuple(silence.underflowed), step)
    if not silence.blocked:
        return None
    step, zeros = _zeros(run, silence, silence.blocked)
    if not silence.answers_zero:
        cause = "a saturated activation, or something like stop_gradient, holds it back"
        return Answer("no gradient", f"{zeros}: {cause}", tuple(silence.blocked), step)
    if not silence.culprit:
        return Answer("dead", zeros, tuple(silence.blocked), step)
    layer, size = silence.culprit
    reason = f"{zeros}; the bias of {layer} ran away, to an RMS of {plain(size, 1)}"
    return Answer("dead", reason, (layer,), step)


def _zeros(run: Run, silence: Silence, layers: list[str]) -> tuple[int | None, str]:
    """Since when the top ones of these layers get nothing, and that in words."""
    step = silence.since([name for name in layers if name in silence.top] or layers)
    return step, f"{few(layers)} got gradients of exactly 0 {_when(run, step)}"


def _why(run: Run) -> str:
    """Why no gradient at all leaves the loss, as far as the run tells."""
    loss = run.scalars.get("loss")
    if loss is not None and (loss[late_steps(run)] == 0).mean() >= MOST:
        return ", and so is the loss"
    return ", as behind an output that is saturated or dead"


def of_rounding(run: Run) -> Answer | None:
    """The answer where nothing but rounding errors arrives."""
    rows, late = sound_steps(run), late_steps(run)
    is_error = is_rounding_error(run, rows)
    if is_error[len(rows) - len(late) :].mean() < MOST:
        return None
    step = since(run, rows, is_error)
    reason = (
        f"all gradients are at the level of rounding errors {_when(run, step)}: contributions "
        "cancel, or nothing is left to learn"
    )
    return Answer("no gradient", reason, (), step)


def _when(run: Run, step: int | None) -> str:
    if step is None:
        return "in most of the last steps"
    return (
        "from the first step on" if step == run.steps[sound_steps(run)[0]] else f"since step {step}"
    )
