"""Runs that diverged: NaN in gradients or weights, or weights that grew out of all measure."""

import numpy as np

from keraskip.analysis.answer import Answer
from keraskip.analysis.shapes import HEALTHY_ORDERS
from keraskip.analysis.windows import has_gradient, sound_steps
from keraskip.runs import Run


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
    """What broke first, as far as the run tells."""
    odd = run.scalars.get("input_nonfinite", np.full(len(run.steps), np.nan))[row]
    if odd > 0:
        return f": {odd:.0f} numbers in the inputs of that step were not finite"
    if run.steps[row]:
        return ""
    if odd == 0:
        return (
            ", before any update: the inputs were finite, so the activations or the loss overflow"
        )
    return ", before any update: the activations or the loss overflow, or the inputs are not finite"


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
