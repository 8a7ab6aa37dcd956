"""Runs that diverged: NaN in gradients or weights, or weights that grew out of all measure."""

import numpy as np

from keraskip.analysis.shapes import HEALTHY_ORDERS
from keraskip.analysis.windows import has_gradient, sound_steps
from keraskip.runs import Run


def divergence(run: Run) -> str:
    """Why the run counts as diverged; empty if it does not."""
    return _broken_gradients(run) or _broken_weights(run) or _grown_weights(run)


def _broken_gradients(run: Run) -> str:
    broken = np.flatnonzero(np.nansum(run.grad_nonfinite, axis=1))
    # Steps that loss scaling skips do no harm: sound steps follow, or no weight was changed.
    for_good = broken[broken > sound_steps(run).max(initial=-1)]
    last_update = run.update_norm[for_good[-1:]]
    if not len(for_good) or not (last_update[:, has_gradient(run)] != 0).any():
        return ""
    first = for_good[0]
    return f"gradients are NaN or infinite from step {run.steps[first]} on{_cause(run, first)}"


def _cause(run: Run, row: int) -> str:
    """What broke first, as far as the run tells."""
    odd = run.scalars.get("input_nonfinite", np.full(len(run.steps), np.nan))[row]
    if odd > 0:
        return f": {odd:.0f} numbers in the inputs of that step were not finite"
    if not row and not run.steps[row]:
        known = "the inputs were finite" if odd == 0 else "if the inputs were finite"
        return f", before any update: {known}, so the activations or the loss overflow"
    return ""


def _broken_weights(run: Run) -> str:
    # A fused ReLU turns NaN into 0, and the gradients are finite again.
    is_broken = ~np.isfinite(run.weight_norm) & ~run.missing
    rows = np.flatnonzero(is_broken.any(axis=1))
    if not len(rows) or rows[-1] < sound_steps(run).max(initial=-1):
        return ""
    layer = run.weights["layer"][int(np.argmax(is_broken[rows[0]]))]
    return f"weights are NaN or infinite from step {run.steps[rows[0]]} on, first in {layer}"


def _grown_weights(run: Run) -> str:
    norms = np.sqrt(np.nansum(np.square(run.weight_norm[sound_steps(run)].astype(float)), axis=1))
    if not len(norms) or not norms[0] > 0 or np.log10(norms.max() / norms[0]) <= HEALTHY_ORDERS:
        return ""
    grown = run.steps[sound_steps(run)[int(np.argmax(norms > norms[0] * 10**HEALTHY_ORDERS))]]
    return f"the weights grew {norms.max() / norms[0]:.0f}-fold, 100-fold by step {grown}"
