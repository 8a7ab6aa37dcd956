"""The statistics of all weights in one training step: pure functions on their matrix."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from keraskip.callbacks.columns import DECADE_COLUMNS, DECADES, STATISTICS, columns_of
from keraskip.callbacks.step.matrix import Layout

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
    old, change = ops.cast(before, "float32"), ops.cast(after - before, "float32")
    # The squares of signs count what changed.
    sums = layout.squares([gradient, change, old, ops.sign(change)])
    norms = ops.sqrt(sums[:, :3])
    largest = layout.largest(gradient)
    frozen = layout.share(layout.sizes - ops.round(sums[:, 3]))
    quick = (norms[:, 0], largest, ops.zeros_like(largest), norms[:, 1], frozen)

    norm, largest, nonfinite, update, frozen = quick_or_exact(
        layout.are_exact(sums[:, :2]),
        quick,
        lambda gradient, before, after: (
            *exact_of_gradient(layout, gradient),
            *exact_of_update(layout, before, after),
        ),
        gradient,
        before,
        after,
    )
    # The squares of weights do not underflow.
    return [norm, largest, nonfinite, norms[:, 2], update, frozen]


def exact_of_gradient(layout: Layout, gradient: Any) -> tuple[Any, Any, Any]:
    """Norm, largest absolute value and number of non-finite elements, however extreme."""
    nonfinite = layout.count(ops.logical_not(ops.isfinite(gradient)))
    return *norm_and_largest(layout, gradient), nonfinite


def exact_of_update(layout: Layout, before: Any, after: Any) -> tuple[Any, Any]:
    """Norm of the change, and the share of elements without one, however small it is."""
    norm, _ = norm_and_largest(layout, ops.cast(after - before, "float32"))
    # `w + dw == w` in the weight's own dtype.
    return norm, layout.share(layout.count(before == after), of_zero=True)


def quick_or_exact(
    is_exact: Any, quick: Sequence[Any], exact: Callable[..., Sequence[Any]], *tensors: Any
) -> Sequence[Any]:
    """The quick numbers where they are exact, else the numbers that `exact` computes."""
    backend = keras.backend.backend()
    if backend == "jax":
        return ops.cond(is_exact, lambda: tuple(quick), lambda: exact(*tensors))
    if backend == "tensorflow":
        return _of_tensorflow(is_exact, quick, exact, tensors)
    # To look at the condition would wait for a GPU.
    return quick if is_exact.device.type == "cpu" and is_exact else exact(*tensors)


def _of_tensorflow(
    is_exact: Any, quick: Sequence[Any], exact: Callable[..., Sequence[Any]], tensors: Sequence[Any]
) -> Sequence[Any]:
    """The choice as one operation.

    `tf.cond` becomes several, which put the whole training step on TensorFlow's slower executor,
    the one that can loop.
    """
    import tensorflow as tf

    if not tf.is_symbolic_tensor(is_exact):
        return quick if is_exact else exact(*tensors)
    given = [*quick, *tensors]
    specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in given]
    branches = [
        tf.function(branch, autograph=False).get_concrete_function(*specs)
        for branch in (
            lambda *given: given[: len(quick)],
            lambda *given: exact(*given[len(quick) :]),
        )
    ]
    return tf.raw_ops.StatelessIf(
        cond=is_exact,
        input=given,
        Tout=[tensor.dtype for tensor in quick],
        output_shapes=[tensor.shape for tensor in quick],
        then_branch=branches[0],
        else_branch=branches[1],
    )


def norm_and_largest(layout: Layout, x: Any) -> tuple[Any, Any]:
    """L2 norm, exact also where squares of float32 under- or overflow, and largest absolute value.

    Both are NaN if there is a NaN.
    """
    peak = layout.largest(x)
    scale = ops.where(ops.logical_and(peak > 0, ops.isfinite(peak)), peak, ops.ones_like(peak))
    norm = scale * ops.sqrt(layout.sum(ops.square(x / layout.spread(scale))))
    # A backend's own maximum may skip a NaN, the sum does not.
    return norm, ops.where(ops.isnan(norm), norm, peak)


def unit(layout: Layout, x: Any) -> Any:
    """Each weight's vector scaled to length 1; NaN for one of length 0."""
    return x / layout.spread(norm_and_largest(layout, x)[0])


def share_below_float16(layout: Layout, x: Any) -> Any:
    """Share of elements that are not 0, but too small for all digits of float16."""
    below = ops.logical_and(x != 0, ops.abs(x) < SMALLEST_NORMAL_FLOAT16)
    return layout.share(layout.count(below))


def shares_of_decades(layout: Layout, x: Any) -> list:
    """Share of elements in each of `DECADES`: [1e-5, 1e-4) is decade -5."""
    size = ops.abs(x)
    _, *later = (10.0**decade for decade in DECADES)
    least = layout.share(layout.count(ops.logical_and(size > 0, size < later[0])))
    # Each share is a difference of two, so that they sum to the share of all numbers but 0.
    at_least = [layout.share(layout.count(size >= edge)) for edge in later]
    return [least, *(a - b for a, b in zip(at_least, [*at_least[1:], 0.0], strict=True))]
