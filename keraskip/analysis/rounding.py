"""Float arithmetic: whether a gradient is more than a rounding error."""

import numpy as np

from keraskip.analysis.windows import (
    MOST,
    early_steps,
    has_gradient,
    late_steps,
    once_for_each_run,
)
from keraskip.runs import Run

# The distance from 1 to the next number (IEEE 754; bfloat16 has 8 digits).
EPSILON = {"float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
# A sum of a few thousand terms of either sign that cancel keeps an error of this many epsilons.
ERRORS_OF_A_SUM = 64
# The share of its kernel's gradient that a bias gets at the least where inputs are of usual size.
KEEPS_UP = 1e-3
# Far above the smallest number of the type, 1.4e-45 or 6e-8: below a layer with such a signal, a
# zero is no underflow.
CLEARLY_ALIVE = {"float32": 1e-20, "bfloat16": 1e-20, "float16": 1e-3}


def precision(run: Run) -> str:
    """The type in which the network computes, where the run says so; else float32."""
    policy = str((run.info.get("training") or {}).get("dtype_policy") or "float32")
    return next((name for name in ("bfloat16", "float16") if policy.endswith(name)), "float32")


def clearly_alive(run: Run) -> float:
    """The RMS gradient from which on a zero in the next layer is no underflow."""
    return CLEARLY_ALIVE[precision(run)]


@once_for_each_run
def null_weights(run: Run) -> np.ndarray:
    """Whether the gradient of each weight [W] is 0 by mathematics, and recorded are its errors.

    A normalisation cancels a bias in front of it, the softmax of attention the bias of the keys.
    Such a bias has peers, biases or betas of the same depth, with a gradient, and they tell the
    size of what was added up. Where nothing at all is left of a bias although the kernel of its
    layer gets a gradient, the sum cancels to the last digit, as in a siamese network.
    """
    rows = np.union1d(early_steps(run), late_steps(run))
    columns = np.flatnonzero(run.weights["role"].isin(["bias", "beta"]) & has_gradient(run))
    is_null = np.zeros(len(run.weights), bool)
    if not len(rows) or not len(columns):
        return is_null
    # Half precision has too few digits to tell many rounding errors from a small sum.
    errors = ERRORS_OF_A_SUM if precision(run) == "float32" else 2
    norms = np.nan_to_num(run.grad_norm[rows][:, columns].astype(float)).T
    _, depth = np.unique(run.weights["depth"].to_numpy()[columns], return_inverse=True)
    largest = np.zeros((depth.max() + 1, len(rows)))
    np.maximum.at(largest, depth, norms)
    limit = errors * EPSILON[precision(run)] * largest[depth]
    is_null[columns] = np.median((norms > 0) & (norms < limit), axis=1) > 0.5
    return is_null | _cancelled(run, rows, columns) | _below_kernels(run, rows, columns)


def _below_kernels(run: Run, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Whether a bias [W] has but the rounding error of the sum that makes its layer's kernel.

    The kernel's gradient is the sum of errors times inputs, the bias's the sum of errors. A bias
    in front of a normalisation without a shift has no peer of its depth to tell its size. Where
    inputs grow over depth, biases fall behind their kernels, too, up to the output; here a bias
    behind keeps up with its kernel.
    """
    is_null = np.zeros(len(run.weights), bool)
    if precision(run) != "float32":
        return is_null
    is_kernel = (run.weights["shape"].map(len) > 1).to_numpy(copy=True)
    is_kernel[columns] = False
    norms = np.nan_to_num(run.grad_norm[rows].astype(float))
    _, layer = np.unique(run.weights["layer"].to_numpy(), return_inverse=True)
    largest = np.zeros((layer.max() + 1, len(rows)))
    np.maximum.at(largest, layer[is_kernel], norms[:, is_kernel].T)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.median(norms[:, columns].T / largest[layer[columns]], axis=1)
    depth = run.weights["depth"].to_numpy()[columns]
    keeping_up = depth[shares > KEEPS_UP].max(initial=-1)
    limit = ERRORS_OF_A_SUM * EPSILON["float32"] / _reach_of_inputs(run)
    # Errors lie far below all that is none; shares of every size are a trend.
    if not ((shares >= limit) & (shares < KEEPS_UP)).any():
        is_null[columns] = (shares > 0) & (shares < limit) & (depth < keeping_up)
    return is_null


def _reach_of_inputs(run: Run) -> float:
    """The largest input, and at least 1."""
    known = [
        np.abs(run.scalars[name]) for name in ("input_min", "input_max") if name in run.scalars
    ]
    values = np.concatenate(known) if known else np.ones(1)
    return float(np.max(values, initial=1.0, where=np.isfinite(values)))


def _cancelled(run: Run, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Whether a bias [W] gets exactly 0 as a rule, and another weight of its layer does not."""
    is_zero = (run.missing[rows] | (run.grad_norm[rows] == 0)).mean(axis=0) >= MOST
    alive = set(run.weights["layer"][~is_zero])
    is_bias = np.isin(np.arange(len(is_zero)), columns)
    return is_bias & is_zero & run.weights["layer"].isin(alive).to_numpy()


def is_rounding_error(run: Run, rows: np.ndarray) -> np.ndarray:
    """Whether all gradients of a step are smaller than the loss can tell, for each of `rows`.

    ||gradient|| ||weight||, added up over the weights, is by how much the loss changes if every
    weight is doubled, to first order. Where that is less than the rounding error of the loss
    itself, only the error of contributions that cancel arrives, as in a siamese network that
    answers the same to everything. The rule does not depend on the scale of the loss. Without a
    recorded loss nothing is known.
    """
    loss = run.scalars.get("loss")
    if loss is None or precision(run) != "float32":
        return np.zeros(len(rows), bool)
    product = run.grad_norm[rows].astype(float) * run.weight_norm[rows].astype(float)
    change = np.nansum(product, axis=1)
    return change < EPSILON["float32"] * np.abs(loss[rows].astype(float))
