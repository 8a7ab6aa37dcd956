"""Profiles of a run: statistics of its layers over depth, in some of its steps."""

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


def has_gradient(run: Run) -> np.ndarray:
    """Whether each weight ever got a gradient [W], be it one of NaN."""
    is_number = ~np.isnan(run.grad_norm)
    return (is_number | (run.grad_nonfinite > 0)).any(axis=0)


def sound_steps(run: Run) -> np.ndarray:
    """The rows of the steps whose gradients are all finite.

    Loss scaling skips steps; they are left out. So are, where effective gradients are recorded,
    the steps that only accumulate.
    """
    return np.flatnonzero(np.isfinite(run.grad_norm[:, has_gradient(run)]).all(axis=1))


def early_steps(run: Run) -> np.ndarray:
    """The rows of the first tenth of the sound steps, and at least 20 if the run has them."""
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
    """The columns of the weights that show a signal.

    The output layer is left out: no layer lies between it and the loss. A bias in front of a
    normalisation is left out, too: the normalisation cancels it, and its gradient is only
    rounding errors.
    """
    weights = run.weights
    role, depth = weights["role"], weights["depth"]
    is_backward = role.isin(BACKWARD_ROLES)
    if signal == "kernel":
        is_shown = (weights["shape"].map(len) > 1) & ~is_backward
    else:
        is_idle = (role == "bias") & depth.isin(depth[role == "beta"])
        is_shown = is_backward & ~is_idle
    is_shown &= depth < run.info.get("depth", depth.max())
    return np.flatnonzero(is_shown & has_gradient(run))


def log_rms_of(run: Run, columns: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """log10 of the RMS gradient of some weights [S, weights]."""
    rms = run.grad_norm[steps][:, columns] / np.sqrt(run.weights["size"].to_numpy()[columns])
    return np.log10(np.maximum(rms.astype(float), SMALLEST))


def profile(run: Run, signal: str, steps: np.ndarray) -> pd.DataFrame:
    """Statistics of each hidden layer over some steps.

    Args:
        run: a run.
        signal: `"backward"` or `"kernel"`.
        steps: rows of the steps, such as `early_steps(run)`.

    Returns:
        A frame with the columns

        - `layer`, `path`, `depth`;
        - `rms`, the geometric mean of the RMS gradient, with its extremes `low` and `high`;
        - `frozen`, the mean share of elements that updates left as they were;
        - `update_ratio`, the median of ||update|| / ||weight||, about 1e-3 where training goes
          well (Karpathy, CS231n);
        - `scale_free`, the geometric mean of ||gradient|| ||weight||. In front of a normalisation
          a larger weight has a smaller gradient for the same function, and the product can be
          compared (van Laarhoven 2017).
    """
    columns = hidden_weights(run, signal)
    rows = run.weights.loc[columns, ["layer", "path", "depth"]].copy()
    log_rms = log_rms_of(run, columns, steps)
    rows["rms"] = 10 ** log_rms.mean(axis=0)
    rows["low"], rows["high"] = 10 ** log_rms.min(axis=0), 10 ** log_rms.max(axis=0)
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
