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
    return ops.stack(
        [
            norm(gradient),
            largest(gradient),
            count_nonfinite(gradient),
            norm(old),
            ops.where(updated, norm(new - old), float("nan")),
            ops.where(updated, share_equal(before, after), float("nan")),
        ],
        axis=-1,
    )


def norm(x):
    """L2 norm. Exact also where squares of float32 under- or overflow, such as 1e-30 and 1e30."""
    peak = largest(x)
    scale = ops.where(ops.logical_and(peak > 0, ops.isfinite(peak)), peak, ops.ones_like(peak))
    return scale * ops.sqrt(ops.sum(ops.square(x / scale[:, None]), axis=-1))


def largest(x):
    """Largest absolute value; NaN if there is a NaN, which a backend's own maximum may skip."""
    peak = ops.max(ops.abs(x), axis=-1)
    has_nan = ops.any(ops.isnan(x), axis=-1)
    return ops.where(has_nan, ops.full_like(peak, float("nan")), peak)


def count_nonfinite(x):
    """How many elements are NaN or infinite."""
    return ops.sum(ops.cast(ops.logical_not(ops.isfinite(x)), "float32"), axis=-1)


def share_equal(before, after):
    """Share of elements that the update left as they were: `w + dw == w` in the weight's dtype."""
    return ops.mean(ops.cast(before == after, "float32"), axis=-1)
