"""What is measured of one weight in one training step: pure functions on arrays.

Each takes `[G, n]`: n elements of each of G weights of the same shape. Deep networks repeat a few
shapes many times, and one reduction over a stack is far cheaper than one reduction per weight.
"""

from keras import ops

STATISTICS = (
    "grad_norm",
    "grad_max",
    "grad_nonfinite",
    "weight_norm",
    "update_norm",
    "frozen",
)


def measure(gradient, before, after, updated=True):
    """All statistics of G weights, as float32 `[G, len(STATISTICS)]`.

    Args:
        gradient: gradients `[G, n]`.
        before: the weights `[G, n]` before the update, in their own dtype.
        after: the weights after it.
        updated: whether there was an update; without one, its norm and the frozen share are NaN.
    """
    gradient = ops.cast(gradient, "float32")
    old, new = ops.cast(before, "float32"), ops.cast(after, "float32")
    grad_norm, grad_max = norm_and_largest(gradient)
    update_norm, _ = norm_and_largest(new - old)
    return ops.stack(
        [
            grad_norm,
            grad_max,
            count_nonfinite(gradient),
            # Weights are never so small that their squares vanish.
            ops.sqrt(ops.sum(ops.square(old), axis=-1)),
            ops.where(updated, update_norm, float("nan")),
            ops.where(updated, share_equal(before, after), float("nan")),
        ],
        axis=-1,
    )


def norm_and_largest(x):
    """L2 norm, exact also where squares of float32 under- or overflow, and largest absolute value.

    Both are NaN if there is a NaN.
    """
    peak = ops.max(ops.abs(x), axis=-1)
    scale = ops.where(ops.logical_and(peak > 0, ops.isfinite(peak)), peak, ops.ones_like(peak))
    norm = scale * ops.sqrt(ops.sum(ops.square(x / scale[:, None]), axis=-1))
    # A backend's own maximum may skip a NaN, the sum does not.
    return norm, ops.where(ops.isnan(norm), norm, peak)


def count_nonfinite(x):
    """How many elements are NaN or infinite."""
    return ops.sum(ops.cast(ops.logical_not(ops.isfinite(x)), "float32"), axis=-1)


def share_equal(before, after):
    """Share of elements that the update left as they were: `w + dw == w` in the weight's dtype."""
    return ops.mean(ops.cast(before == after, "float32"), axis=-1)
