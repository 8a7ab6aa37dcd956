"""Profiles of a run: statistics of its layers over depth, in some of its steps."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from keraskip.analysis.branches import branches_of
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

        - `layer`, `path`, `depth`, and `branch`, see `branches_of`;
        - `rms`, the geometric mean of the RMS gradient, with its extremes `low` and `high`;
        - `frozen`, the mean share of elements that updates left as they were;
        - `update_ratio`, the median of ||update|| / ||weight||, about 1e-3 where training goes
          well (Karpathy, CS231n);
        - `scale_free`, the geometric mean of ||gradient|| ||weight||. In front of a normalisation
          a larger weight has a smaller gradient for the same function, and the product can be
          compared (van Laarhoven 2017).
    """
    return profiles_of(run, hidden_weights(run, signal), [steps])


def profiles_of(run: Run, columns: np.ndarray, stretches: Sequence[np.ndarray]) -> pd.DataFrame:
    """The same for weights that are known, over several stretches of steps.

    A column `moment` has the index of the stretch.
    """
    numbers = [_numbers(run, columns, steps) for steps in stretches]
    weights = run.weights.iloc[np.tile(columns, len(stretches))]
    rows = {
        **{name: weights[name].to_numpy() for name in ("layer", "path", "depth")},
        "branch": np.tile(np.array(branches_of(run, columns), dtype=object), len(stretches)),
        "moment": np.repeat(np.arange(len(stretches)), len(columns)),
        **{name: np.concatenate([each[name] for each in numbers]) for name in numbers[0]},
    }
    # Weights without a gradient in these steps are left out.
    is_known = ~np.isnan(rows["rms"])
    return pd.DataFrame({name: values[is_known] for name, values in rows.items()})


def _numbers(run: Run, columns: np.ndarray, steps: np.ndarray) -> dict[str, np.ndarray]:
    """The statistics of some weights over some steps, by name."""
    log_rms = log_rms_of(run, columns, steps)
    weight_norm = run.weight_norm[steps][:, columns].astype(float)
    weight_norm[weight_norm == 0] = np.nan
    rms, roots = 10 ** _over_steps("mean", log_rms), run.weights["size"].to_numpy()[columns] ** 0.5
    return {
        "rms": rms,
        "low": 10 ** _over_steps("min", log_rms),
        "high": 10 ** _over_steps("max", log_rms),
        # Steps that only accumulate gradients have no update.
        "frozen": _over_steps("mean", run.frozen[steps][:, columns].astype(float)),
        "scale_free": rms * roots * 10 ** _over_steps("mean", np.log10(weight_norm)),
        "update_ratio": _over_steps("median", run.update_norm[steps][:, columns] / weight_norm),
    }


def _over_steps(name: str, values: np.ndarray) -> np.ndarray:
    """A number for each weight, over the steps in which there is one; NaN where there is none."""
    is_missing = np.isnan(values)
    if len(values) and not is_missing.any():
        return getattr(np, name)(values, axis=0)
    result = np.full(values.shape[1], np.nan)
    is_known = ~is_missing.all(axis=0)
    if is_known.any():
        result[is_known] = getattr(np, f"nan{name}")(values[:, is_known], axis=0)
    return result
