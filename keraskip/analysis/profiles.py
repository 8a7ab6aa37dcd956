"""Profiles of a run: statistics of its layers over depth, in some of its steps."""

import numpy as np
import pandas as pd

from keraskip.analysis.rounding import null_weights
from keraskip.analysis.windows import has_gradient
from keraskip.runs import Run

SIGNALS = ("backward", "kernel")
BACKWARD_ROLES = ("bias", "beta")

# Gradients of exactly zero are drawn at the smallest number that float32 holds.
SMALLEST = 2.0**-149


def hidden_weights(run: Run, signal: str) -> np.ndarray:
    """The columns of the weights that show a signal, of whatever kind.

    The output layer is left out: no layer lies between it and the loss. So are weights whose
    gradients are only rounding errors.
    """
    weights = run.weights
    depth = weights["depth"]
    is_backward = weights["role"].isin(BACKWARD_ROLES)
    is_shown = is_backward if signal == "backward" else weights["shape"].map(len) > 1
    is_shown &= is_backward == (signal == "backward")
    is_shown &= depth < run.info.get("depth", depth.max())
    return np.flatnonzero(is_shown & has_gradient(run) & ~null_weights(run))


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
    return profile_of(run, hidden_weights(run, signal), steps)


def profile_of(run: Run, columns: np.ndarray, steps: np.ndarray) -> pd.DataFrame:
    """The same for weights that are known: to find them takes as long as their statistics."""
    # Steps without a gradient of the weight are left out.
    log_rms = pd.DataFrame(log_rms_of(run, columns, steps))
    weight_norm = _frame(run.weight_norm, steps, columns).replace(0, np.nan)
    weights, rms = run.weights.iloc[columns], 10 ** log_rms.mean().to_numpy()
    product = np.log10(weight_norm).mean().to_numpy() + np.log10(weights["size"].to_numpy()) / 2
    rows = {
        **{name: weights[name].to_numpy() for name in ("layer", "path", "depth")},
        "rms": rms,
        "low": 10 ** log_rms.min().to_numpy(),
        "high": 10 ** log_rms.max().to_numpy(),
        # Steps that only accumulate gradients have no update.
        "frozen": _frame(run.frozen, steps, columns).mean().to_numpy(),
        "scale_free": rms * 10**product,
        "update_ratio": (_frame(run.update_norm, steps, columns) / weight_norm).median().to_numpy(),
    }
    return pd.DataFrame(rows).dropna(subset=["rms"]).reset_index(drop=True)


def _frame(statistic: np.ndarray, steps: np.ndarray, columns: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(statistic[steps][:, columns])
