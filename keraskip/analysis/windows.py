"""The steps of a run that an answer is about: all sound ones, the beginning, the end."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from keraskip.runs import Run

# The share of a run's steps that is its beginning, or its end.
WINDOW = 0.1
FEWEST_STEPS = 20
# Three of four steps are the rule. A single batch may be an exception: a dead unit may answer to
# one odd sample.
MOST = 0.75


def once_for_each_run(read: Callable[[Run], np.ndarray]) -> Callable[[Run], np.ndarray]:
    """Keeps what a function reads from the whole record of a run, as long as the run is in use."""
    known: WeakKeyDictionary[Run, np.ndarray] = WeakKeyDictionary()

    @wraps(read)
    def kept(run: Run) -> np.ndarray:
        if run not in known:
            known[run] = read(run)
        return known[run]

    return kept


@once_for_each_run
def has_gradient(run: Run) -> np.ndarray:
    """Whether each weight ever got a gradient [W], be it one of NaN."""
    is_number = ~np.isnan(run.grad_norm)
    return (is_number | (run.grad_nonfinite > 0)).any(axis=0)


@once_for_each_run
def sound_steps(run: Run) -> np.ndarray:
    """The rows of the steps whose gradients are all finite.

    Loss scaling skips steps; they are left out. So are, where effective gradients are recorded,
    the steps that only accumulate. A weight may miss a gradient in some steps, such as one of a
    branch that PyTorch does not call in each of them: that is no reason to leave a step out.
    """
    counts = has_gradient(run)
    if not counts.any():
        return np.arange(len(run.steps))
    missing = run.missing[:, counts]
    is_sound = np.isfinite(run.grad_norm[:, counts]) | missing
    return np.flatnonzero(is_sound.all(axis=1) & ~missing.all(axis=1))


def early_steps(run: Run) -> np.ndarray:
    """The rows of the first tenth of the sound steps, and at least 20 if the run has them."""
    return sound_steps(run)[: _window(run)]


def late_steps(run: Run) -> np.ndarray:
    """As many rows from the end of the run."""
    return sound_steps(run)[-_window(run) :]


def _window(run: Run) -> int:
    return max(FEWEST_STEPS, round(WINDOW * len(run.steps)))


def since(run: Run, rows: np.ndarray, holds: Any) -> int | None:
    """The number of the step since which something holds in most of the steps up to the last.

    Args:
        run: a run.
        rows: some of its rows, in order.
        holds: whether it holds in each of them.

    Returns:
        None if it does not hold at the end.
    """
    counts = np.arange(len(rows), 0, -1)
    share = np.cumsum(holds[::-1])[::-1] / counts
    beginnings = np.flatnonzero(holds & (share >= MOST))
    return int(run.steps[rows[beginnings[0]]]) if len(beginnings) else None
