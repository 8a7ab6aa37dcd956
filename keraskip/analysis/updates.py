"""The updates of a run: their sizes beside the weights, and elements left as they were."""

import numpy as np

from keraskip.analysis.windows import has_gradient, late_steps, sound_steps
from keraskip.runs import Run

# float32 rounds to 6e-8 of a number, so a smaller update leaves most elements as they were.
FROZEN_SHARE = 0.99
# All updates of the run together, were they to point one way, change less of a kernel.
NO_WAY = 1e-4


# A median over this many steps is as good as one over all of them.
MOST_ROWS = 500


def thinned(rows: np.ndarray) -> np.ndarray:
    """At most `MOST_ROWS` of the rows, evenly spread."""
    return rows[:: -(-len(rows) // MOST_ROWS) or 1]


def kernels_of(run: Run) -> np.ndarray:
    """The columns of the kernels that ever got a gradient.

    A bias begins with zeros, so any update changes all of it; it says nothing about freezing. That
    of a GRU has two axes.
    """
    weights = run.weights
    is_kernel = ((weights["shape"].map(len) > 1) & (weights["role"] != "bias")).to_numpy()
    return np.flatnonzero(is_kernel & has_gradient(run))


def update_ratios(run: Run, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """||update|| / ||weight|| [rows, columns]; NaN where the gradient or the weight is 0.

    A gradient of exactly 0 is another cause than an update that is too small.
    """
    update = run.update_norm[rows][:, columns].astype(float)
    weight = run.weight_norm[rows][:, columns].astype(float)
    gradient = run.grad_norm[rows][:, columns]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((gradient != 0) & (weight > 0), update / weight, np.nan)


def medians(values: np.ndarray) -> np.ndarray:
    """The median of each column that has a number."""
    known = values[:, ~np.isnan(values).all(axis=0)] if values.size else np.empty((1, 0))
    return np.nanmedian(known, axis=0)


def is_frozen(run: Run, rows: np.ndarray) -> bool:
    """Whether the updates of these rows change no kernel that has a gradient.

    Either nearly all elements stay exactly as they were, or all updates together are too small
    to matter.
    """
    columns, rows = kernels_of(run), thinned(rows)
    gradient = run.grad_norm[rows][:, columns]
    frozen = np.where(gradient != 0, run.frozen[rows][:, columns], np.nan)
    shares = medians(frozen)
    if not len(shares):
        return False
    if shares.min() > FROZEN_SHARE:
        return True
    ratios = medians(update_ratios(run, rows, columns))
    span = int(run.steps[-1] - run.steps[0]) + 1
    return bool(len(ratios) and span >= 20 and ratios.max() * span < NO_WAY)


def never_updated(run: Run) -> bool:
    """Whether gradients were only accumulated, so that no step had an update.

    A run of every fourth step may show none of the updates of every fourth step.
    """
    optimizer = (run.info.get("training") or {}).get("optimizer") or {}
    needed = optimizer.get("gradient_accumulation_steps")
    if needed and len(run.steps) and run.steps[-1] + 1 >= needed:
        return False
    updates = run.update_norm[sound_steps(run)][:, has_gradient(run)]
    return bool(updates.size) and bool(np.isnan(updates).all())


def frozen_at_the_end(run: Run) -> bool:
    """Whether the late updates change nothing."""
    return bool(len(late_steps(run))) and is_frozen(run, late_steps(run))


def frozen_all_along(run: Run) -> bool:
    """Whether no updates ever changed anything."""
    sound = sound_steps(run)
    return len(sound) >= 5 and is_frozen(run, sound)
