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
    return is_null | _cancelled(run, rows, columns)


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
