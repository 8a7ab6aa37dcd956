"""The statistics of all weights in one training step: pure functions on their matrix."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keraskip.callbacks.columns import DECADE_COLUMNS, DECADES, STATISTICS, columns_of
from keraskip.callbacks.step.choice import quick_or_exact
from keraskip.callbacks.step.matrix import Layout, Places

# IEEE 754: below this, float16 loses digits.
SMALLEST_NORMAL_FLOAT16 = 2.0**-14


def measure(
    layout: Layout,
    gradient: Any,
    before: Any,
    after: Any,
    updated: Any = True,
    statistics: Sequence[str] = STATISTICS,
) -> dict[str, Any]:
    """The statistics of W weights that one step gives by itself, each float32 `[W]`.

    Args:
        layout: how the matrices hold the weights.
        gradient: matrix of the gradients.
        before: matrix of the weights before the update, in their own dtype.
        after: matrix of the weights after the update.
        updated: whether there was an update; without one, its norm and the frozen share are NaN.
        statistics: names from `STATISTICS` and `FURTHER`.
    """
    gradient = ops.cast(gradient, "float32")
    known = dict(zip(STATISTICS, usual_statistics(layout, gradient, before, after), strict=True))
    if updated is not True:
        for name in ("update_norm", "frozen"):
            known[name] = ops.where(updated, known[name], float("nan"))
    if "zeros" in statistics:
        known["zeros"] = layout.share(layout.count(gradient == 0), of_zero=True)
    if "below_float16" in statistics:
        known["below_float16"] = share_below_float16(layout, gradient)
    if "histogram" in statistics:
        known |= zip(DECADE_COLUMNS, shares_of_decades(layout, gradient), strict=True)
    return {column: known[column] for column in columns_of(statistics) if column in known}


def usual_statistics(layout: Layout, gradient: Any, before: Any, after: Any) -> list:
    """The statistics of `STATISTICS`, each `[W]`, with few passes over the matrices."""
    change = after - before
    old, moved = ops.cast(before, "float32"), ops.cast(change, "float32")
    sums = layout.squares([gradient, moved, old])
    norms, largest = ops.sqrt(sums), layout.largest(gradient)
    nothing = ops.zeros_like(largest)
    quick = norms[:, 0], largest, nothing, norms[:, 1], nothing - 1
    is_exact = layout.are_exact(sums[:, :2])
    found = quick_or_exact(is_exact, quick, _exact, *layout.given, gradient, change)
    norm, largest, nonfinite, update, frozen = found
    # The squares of signs count what changed.
    changed = ops.round(layout.squares([ops.sign(_for_last_reader(moved, frozen))])[:, 0])
    frozen = ops.where(frozen < 0, layout.share(layout.sizes - changed), frozen)
    # The squares of weights do not underflow.
    return [norm, largest, nonfinite, norms[:, 2], update, frozen]


def _for_last_reader(x: Any, after: Any) -> Any:
    """The same tensor; on TensorFlow its reader waits for another one, and may write over it."""
    if keras.backend.backend() != "tensorflow":
        return x
    import tensorflow as tf

    with tf.control_dependencies([after]):
        return tf.identity(x)


def _exact(
    rows: Any, owner: Any, sizes: Any, gradient: Any, change: Any
) -> tuple[Any, Any, Any, Any, Any]:
    """The same, but for the norm of the weight, however extreme the numbers are."""
    places = Places(rows, owner, sizes)
    nonfinite = places.count(ops.logical_not(ops.isfinite(gradient)))
    norm, largest = norm_and_largest(places, gradient)
    update, _ = norm_and_largest(places, ops.cast(change, "float32"))
    # `w + dw == w` in the weight's own dtype.
    frozen = places.share(places.count(change == 0), of_zero=True)
    return norm, largest, nonfinite, update, frozen


def norm_and_largest(places: Places, x: Any) -> tuple[Any, Any]:
    """L2 norm, exact also where squares of float32 under- or overflow, and largest absolute value.

    Both are NaN if there is a NaN.
    """
    peak = places.largest(x)
    scale = ops.where(ops.logical_and(peak > 0, ops.isfinite(peak)), peak, ops.ones_like(peak))
    norm = scale * ops.sqrt(places.sum(ops.square(x / places.spread(scale))))
    # A backend's own maximum may skip a NaN, the sum does not.
    return norm, ops.where(ops.isnan(norm), norm, peak)


def unit(places: Places, x: Any) -> Any:
    """Each weight's vector scaled to length 1; NaN for one of length 0."""
    return x / places.spread(norm_and_largest(places, x)[0])


def share_below_float16(places: Places, x: Any) -> Any:
    """Share of elements that are not 0, but too small for all digits of float16."""
    below = ops.logical_and(x != 0, ops.abs(x) < SMALLEST_NORMAL_FLOAT16)
    return places.share(places.count(below))


def shares_of_decades(places: Places, x: Any) -> list:
    """Share of elements in each of `DECADES`: [1e-5, 1e-4) is decade -5."""
    size = ops.abs(x)
    _, *later = (10.0**decade for decade in DECADES)
    least = places.share(places.count(ops.logical_and(size > 0, size < later[0])))
    # Each share is a difference of two, so that they sum to the share of all numbers but 0.
    at_least = [places.share(places.count(size >= edge)) for edge in later]
    return [least, *(a - b for a, b in zip(at_least, [*at_least[1:], 0.0], strict=True))]
