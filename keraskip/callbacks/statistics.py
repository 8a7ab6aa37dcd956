"""What is measured of one weight in one training step: pure functions on arrays.

Each takes `[G, n]`: n elements of each of G weights of the same shape. Deep networks repeat a few
shapes many times, and one reduction over a stack is far cheaper than one reduction per weight.
"""

from collections.abc import Callable, Sequence
from typing import Any

from keras import ops

STATISTICS = (
    "grad_norm",
    "grad_max",
    "grad_nonfinite",
    "weight_norm",
    "update_norm",
    "frozen",
)
# What is recorded on demand; the last as one column for each decade.
FURTHER = ("cosine", "snr", "zeros", "below_float16", "histogram")
# The decades of absolute values that the histogram tells apart: 1e-16 to 1e2, and what lies
# beyond them in the outermost ones. Exact zeros are in none.
DECADES = range(-16, 2)
DECADE_COLUMNS = tuple(f"decade_{decade}" for decade in DECADES)
# IEEE 754: below this, float16 loses digits.
SMALLEST_NORMAL_FLOAT16 = 2.0**-14


def columns_of(statistics: Sequence[str]) -> tuple[str, ...]:
    """The columns of a record of these statistics."""
    plain = tuple(name for name in statistics if name != "histogram")
    return plain + DECADE_COLUMNS * ("histogram" in statistics)


def measure(
    gradient: Any,
    before: Any,
    after: Any,
    updated: Any = True,
    statistics: Sequence[str] = STATISTICS,
) -> dict[str, Any]:
    """Columns of statistics of G weights, each float32 `[G]`; those of a step by itself.

    Args:
        gradient: gradients `[G, n]`.
        before: the weights `[G, n]` before the update, in their own dtype.
        after: the weights after it.
        updated: whether there was an update; without one, its norm and the frozen share are NaN.
        statistics: names from `STATISTICS` and `FURTHER`.
    """
    gradient = ops.cast(gradient, "float32")
    old, new = ops.cast(before, "float32"), ops.cast(after, "float32")
    grad_norm, grad_max = norm_and_largest(gradient)
    ways: dict[str, Callable[[], Any]] = {
        "grad_norm": lambda: grad_norm,
        "grad_max": lambda: grad_max,
        "grad_nonfinite": lambda: count_nonfinite(gradient),
        # Weights are never so small that their squares vanish.
        "weight_norm": lambda: ops.sqrt(ops.sum(ops.square(old), axis=-1)),
        "update_norm": lambda: ops.where(updated, norm_and_largest(new - old)[0], float("nan")),
        "frozen": lambda: ops.where(updated, share_equal(before, after), float("nan")),
        "zeros": lambda: _share(gradient == 0),
        "below_float16": lambda: share_below_float16(gradient),
    }
    known = {name: ways[name]() for name in statistics if name in ways}
    if "histogram" in statistics:
        known |= zip(DECADE_COLUMNS, shares_of_decades(gradient), strict=True)
    return known


def norm_and_largest(x):
    """L2 norm, exact also where squares of float32 under- or overflow, and largest absolute value.

    Both are NaN if there is a NaN.
    """
    peak = ops.max(ops.abs(x), axis=-1)
    scale = ops.where(ops.logical_and(peak > 0, ops.isfinite(peak)), peak, ops.ones_like(peak))
    norm = scale * ops.sqrt(ops.sum(ops.square(x / scale[:, None]), axis=-1))
    # A backend's own maximum may skip a NaN, the sum does not.
    return norm, ops.where(ops.isnan(norm), norm, peak)


def unit(x):
    """The vectors with length 1; NaN for those of length 0."""
    return x / norm_and_largest(x)[0][:, None]


def count_nonfinite(x):
    """How many elements are NaN or infinite."""
    return x.shape[-1] - ops.sum(ops.cast(ops.isfinite(x), "float32"), axis=-1)


def share_equal(before, after):
    """Share of elements that the update left as they were: `w + dw == w` in the weight's dtype."""
    return _share(before == after)


def share_below_float16(x):
    """Share of elements, other than 0, that float16 could not hold with all its digits."""
    return _share(ops.logical_and(x != 0, ops.abs(x) < SMALLEST_NORMAL_FLOAT16))


def shares_of_decades(x) -> list:
    """Share of elements in each of `DECADES`: [1e-5, 1e-4) is decade -5."""
    size = ops.abs(x)
    _, *later = (10.0**decade for decade in DECADES)
    least = _share(ops.logical_and(size > 0, size < later[0]))
    # Each share is a difference of two, so that they sum to that of all numbers but 0.
    at_least = [_share(size >= edge) for edge in later]
    return [least, *(a - b for a, b in zip(at_least, [*at_least[1:], 0.0], strict=True))]


def _share(these):
    return ops.mean(ops.cast(these, "float32"), axis=-1)
