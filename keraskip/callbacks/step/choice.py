"""Takes numbers from few operations where they are exact, and computes them with care elsewhere."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import keras
from keras import ops

from keraskip.callbacks.step.optimizers import in_xla


def quick_or_exact(
    is_exact: Any, quick: Sequence[Any], exact: Callable[..., Sequence[Any]], *tensors: Any
) -> Sequence[Any]:
    """The quick numbers where they are exact, else the numbers that `exact` computes.

    Args:
        is_exact: whether the quick numbers are exact.
        quick: the quick numbers.
        exact: a function at the level of a module, that works for any length of each axis. On
            TensorFlow a process traces it once for all trainings; XLA must know the lengths.
        tensors: its arguments.
    """
    backend = keras.backend.backend()
    if backend == "jax":
        return ops.cond(is_exact, lambda: tuple(quick), lambda: tuple(exact(*tensors)))
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
    given = [tf.convert_to_tensor(tensor) for tensor in (*quick, *tensors)]
    shapes = [tensor.shape if in_xla() else [None] * tensor.shape.rank for tensor in given]
    kinds = tuple((t.dtype, *shape) for t, shape in zip(given, shapes, strict=True))
    then_branch, else_branch = _branches(exact, len(quick), kinds)
    return tf.raw_ops.StatelessIf(
        cond=is_exact,
        input=given,
        Tout=[tensor.dtype for tensor in given[: len(quick)]],
        output_shapes=[tensor.shape for tensor in given[: len(quick)]],
        then_branch=then_branch,
        else_branch=else_branch,
    )


@cache
def _branches(exact: Callable, quick: int, kinds: tuple) -> list[Any]:
    """Both branches, traced for arguments of these types and lengths of axes, None for any."""
    import tensorflow as tf

    specs = [tf.TensorSpec(shape, dtype) for dtype, *shape in kinds]
    # Outside of the training step that is being traced, which one day is gone.
    with tf.init_scope():
        return [
            tf.function(branch, autograph=False).get_concrete_function(*specs)
            for branch in (
                lambda *given: given[:quick],
                lambda *given: exact(*given[quick:]),
            )
        ]
