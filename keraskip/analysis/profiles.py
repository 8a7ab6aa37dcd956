"""Profiles of a run: statistics of its layers over depth, in some of its steps."""

from collections.abc import Callable
from typing import Any

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


def profile_of(run: Run, columns: np.ndarray, steps: np.ndarray, /, **labels: Any) -> pd.DataFrame:
    """The same for weights that are known: to find them takes as long as their statistics.

    `labels` are further columns, each of one value.
    """
    log_rms = log_rms_of(run, columns, steps)
    weight_norm = run.weight_norm[steps][:, columns].astype(float)
    weight_norm[weight_norm == 0] = np.nan
    ratio = run.update_norm[steps][:, columns] / weight_norm
    weights, rms = run.weights.iloc[columns], 10 ** _over_steps(np.nanmean, log_rms)
    product = _over_steps(np.nanmean, np.log10(weight_norm)) + np.log10(weights["size"]) / 2
    rows = {
        **{name: weights[name].to_numpy() for name in ("layer", "path", "depth")},
        "rms": rms,
        "low": 10 ** _over_steps(np.nanmin, log_rms),
        "high": 10 ** _over_steps(np.nanmax, log_rms),
        # Steps that only accumulate gradients have no update.
        "frozen": _over_steps(np.nanmean, run.frozen[steps][:, columns].astype(float)),
        "scale_free": rms * 10 ** product.to_numpy(),
        "update_ratio": _over_steps(np.nanmedian, ratio),
    }
    # Weights without a gradient in these steps are left out.
    is_known = ~np.isnan(rms)
    return pd.DataFrame({name: values[is_known] for name, values in rows.items()} | labels)


def _over_steps(reduced: Callable[..., np.ndarray], values: np.ndarray) -> np.ndarray:
    """A number for each weight, over the steps in which there is one; NaN where there is none."""
    result = np.full(values.shape[1], np.nan)
    is_known = ~np.isnan(values).all(axis=0)
    if is_known.any():
        result[is_known] = reduced(values[:, is_known], axis=0)
    return result
