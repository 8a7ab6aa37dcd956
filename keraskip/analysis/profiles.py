"""Profiles: what the layers of a run have over their depth, in some of its steps."""

import numpy as np
import pandas as pd

from keraskip.runs import Run

SIGNALS = ("backward", "kernel")
BACKWARD_ROLES = ("bias", "beta")

# The share of a run's steps that is its beginning, or its end.
WINDOW = 0.1
FEWEST_STEPS = 20
# Gradients of exactly zero are drawn at the smallest number that float32 holds.
SMALLEST = 2.0**-149


def sound_steps(run: Run) -> np.ndarray:
    """The rows of the steps whose gradients are all finite.

    A step that a loss scale skips is not among them, nor, of effective gradients, one that only
    accumulates.
    """
    # A weight that never got a gradient has no statistics.
    known = ~np.isnan(run.grad_norm).all(axis=0)
    return np.flatnonzero(np.isfinite(run.grad_norm[:, known]).all(axis=1))


def early_steps(run: Run) -> np.ndarray:
    """The rows of the first tenth of the sound steps; of a short run 20, if there are so many."""
    return sound_steps(run)[: _window(run)]


def late_steps(run: Run) -> np.ndarray:
    """As many rows from the end of the run."""
    return sound_steps(run)[-_window(run) :]


def _window(run: Run) -> int:
    return max(FEWEST_STEPS, round(WINDOW * len(run.steps)))


def signal_of(run: Run) -> str:
    """The signal that tells most: `"backward"`, or `"kernel"` in a network of few biases."""
    depths = run.weights["depth"]
    backward, kernel = (depths[hidden_weights(run, signal)].nunique() for signal in SIGNALS)
    return "backward" if 2 * backward >= max(kernel, 1) else "kernel"


def hidden_weights(run: Run, signal: str) -> np.ndarray:
    """Which weights show a signal, as numbers of their columns.

    The output layer is left out: nothing of the network lies between it and the loss. So is a bias
    with a normalisation behind it, which takes its effect away and leaves it rounding errors.
    """
    weights = run.weights
    role, depth = weights["role"], weights["depth"]
    is_backward = role.isin(BACKWARD_ROLES)
    if signal == "kernel":
        chosen = (weights["shape"].map(len) > 1) & ~is_backward
    else:
        is_idle = (role == "bias") & depth.isin(depth[role == "beta"])
        chosen = is_backward & ~is_idle
    chosen &= depth < run.info.get("depth", depth.max())
    return np.flatnonzero(chosen & ~np.isnan(run.grad_norm).all(axis=0))


def log_rms(run: Run, columns: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """log10 of the RMS gradient of some weights [S, weights]."""
    rms = run.grad_norm[steps][:, columns] / np.sqrt(run.weights["size"].to_numpy()[columns])
    return np.log10(np.maximum(rms.astype(float), SMALLEST))


def profile(run: Run, signal: str, steps: np.ndarray) -> pd.DataFrame:
    """What each hidden layer has, over some steps.

    Args:
        run: a run.
        signal: `"backward"` or `"kernel"`.
        steps: rows of the steps, such as `early_steps(run)`.

    Returns:
        A frame with `layer`, `path`, `depth`, `rms`, the geometric mean of the RMS gradient,
        `low` and `high`, its extremes, `frozen`, the mean share of elements that updates left as
        they were, `update_ratio`, the median of ||update|| / ||weight||, about 1e-3 where training
        goes well (Karpathy, CS231n), and `scale_free`, the geometric mean of
        ||gradient|| ||weight||: where a normalisation follows, a larger weight has a smaller
        gradient for the same function, and the product can be compared (van Laarhoven 2017).
    """
    columns = hidden_weights(run, signal)
    rows = run.weights.loc[columns, ["layer", "path", "depth"]].copy()
    heights = log_rms(run, columns, steps)
    rows["rms"] = 10 ** heights.mean(axis=0)
    rows["low"], rows["high"] = 10 ** heights.min(axis=0), 10 ** heights.max(axis=0)
    # Steps that only accumulate gradients have no update.
    rows["frozen"] = _frame(run.frozen, steps, columns).mean().to_numpy()
    weight_norm = _frame(run.weight_norm, steps, columns).replace(0, np.nan)
    ratio = _frame(run.update_norm, steps, columns) / weight_norm
    product = np.log10(weight_norm).mean().to_numpy() + np.log10(run.weights["size"][columns]) / 2
    rows["scale_free"] = rows["rms"] * 10**product
    rows["update_ratio"] = ratio.median().to_numpy()
    return rows.dropna(subset=["rms"]).reset_index(drop=True)


def _frame(statistic: np.ndarray, steps: np.ndarray, columns: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(statistic[steps][:, columns])
