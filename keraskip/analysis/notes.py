"""Sentences about what is beside the verdict: what was not judged, and what stands still."""

from collections.abc import Iterator

import numpy as np

from keraskip.analysis.profiles import hidden_weights
from keraskip.analysis.silence import Silence, few
from keraskip.analysis.windows import late_steps
from keraskip.runs import Run

# So large a share of a kernel stays as it is if its updates are below half of the distance from one
# number to the next, in nearly all elements.
ALL_FROZEN = 0.99
# ||update|| / ||weight|| of a run that goes well (Karpathy, CS231n).
USUAL_RATIO = 1e-3


def notes_of(run: Run, silence: Silence, verdict: str) -> list[str]:
    """The sentences, without a full stop.

    Args:
        run: a run.
        silence: its layers without a gradient.
        verdict: the verdict; where the signal itself is lost, small updates follow from that.
    """
    is_arriving = verdict in ("healthy", "inconclusive")
    return [*_heads(silence), *_time(run), *(_updates(run) if is_arriving else ())]


def _heads(silence: Silence) -> Iterator[str]:
    if silence.heads:
        names = few(silence.heads)
        yield f"not judged: {names} never got a gradient, as the loss does not depend on it"


def _time(run: Run) -> Iterator[str]:
    is_recurrent = run.weights["role"].eq("recurrent_kernel").any()
    if is_recurrent and not run.probes["probe"].str.contains("time").any():
        yield "this is over layers; what the gradient does over time was not looked at"


def _updates(run: Run) -> Iterator[str]:
    """Whether updates change nothing although there are gradients."""
    rows = late_steps(run)
    columns = hidden_weights(run, "kernel")
    if not len(rows) or not len(columns):
        return
    gradients, weights, frozen = (
        statistic[rows][:, columns] for statistic in (run.grad_norm, run.weight_norm, run.frozen)
    )
    # Exactly zero gradients are no updates too small; steps that accumulate have no update.
    counts = (gradients > 0) & (weights > 0) & np.isfinite(frozen)
    if not counts.any() or np.quantile(frozen[counts], 0.1) < ALL_FROZEN:
        return
    rate = float(np.median(USUAL_RATIO * weights[counts] / gradients[counts]))
    share = frozen[counts].mean()
    yield (
        f"updates change nothing: {share:.0%} of the kernels' elements stay exactly as they are, "
        f"and plain SGD would move the kernels by the usual {USUAL_RATIO:g} of their size with a "
        f"learning rate of {rate:.1g}"
    )
