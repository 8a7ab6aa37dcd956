"""TensorFlow on a CPU only: a large weight, measured by itself and without a copy in fresh memory.

The C library asks the system for each tensor of 128 KiB and more, and the system hands out zeroed
pages one by one as they are first written to: for a tensor of 0.8 MB that takes longer than to read
it ten times. So gradient and weight are read where they are, the weight before the step is kept in
a variable from step to step, and what else needs memory works on small blocks.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import keras

from keraskip.callbacks.columns import STATISTICS
from keraskip.callbacks.step.choice import quick_or_exact
from keraskip.callbacks.step.optimizers import indices_by_row, is_product

# Elements: a smaller weight costs less as part of a matrix.
LARGE = 2**16
# Elements of a block: 64 KiB.
BLOCK = 2**14
MOST_BLOCKS = 16
# Memory that tensors share begins at multiples of so many elements.
ALIGNED = 16


class SeenLarge(NamedTuple):
    """A view of a large weight before a step.

    Attributes:
        index: the weight's index in the optimizer.
        found: norm, largest value and non-finite count of the gradient, and the weight's norm.
        kept: the operation that keeps the weight.
    """

    index: int
    found: list[Any]
    kept: Any


class LargeWeight:
    """A weight that is measured by itself.

    Args:
        variables: the weight, float32, as the only one.
    """

    def __init__(self, variables: Sequence[keras.Variable]) -> None:
        import tensorflow as tf

        (self._variable,) = variables
        self._shape = tuple(self._variable.shape)
        self._size = prod(self._shape)
        # Of TensorFlow alone, which needs not know them beforehand.
        self.variables: list[keras.Variable] = []
        with tf.init_scope():
            # The weight before the step, and then its change.
            self._kept = tf.Variable(tf.zeros(self._shape), trainable=False)

    def before(
        self, variables: Sequence[keras.Variable], grads: Mapping[int, Any], values: Sequence[Any]
    ) -> SeenLarge | None:
        """See `JoinedWeights.before`; None without a gradient."""
        import tensorflow as tf

        indices = indices_by_row({id(self._variable): 0}, variables, grads)
        if not indices:
            return None
        (index,) = indices.values()
        gradient, value = tf.cast(grads[index], "float32"), tf.convert_to_tensor(values[index])
        largest = tf.maximum(tf.reduce_max(gradient), -tf.reduce_min(gradient))
        norm, largest, nonfinite, _ = self._measured(gradient, largest, tf.zeros(()))
        weight = tf.sqrt(2 * tf.nn.l2_loss(value))
        kept = self._kept.assign(value, read_value=False)
        return SeenLarge(index, [norm, largest, nonfinite, weight], kept)

    def handed_on(self, seen: SeenLarge | None, grads: Sequence[Any]) -> Sequence[Any]:
        """The gradients for the optimizer, this one once it is measured.

        The optimizer is then its last reader, and writes over it instead of into new memory. It
        does so with the weight, too.
        """
        import tensorflow as tf

        if seen is None or not _may_wait(grads[seen.index]):
            return grads
        grads = list(grads)
        with tf.control_dependencies([*seen.found, seen.kept]):
            grads[seen.index] = tf.identity(grads[seen.index])
        return grads

    def table(
        self,
        seen: SeenLarge | None,
        variables: Sequence[keras.Variable],
        updated: Any,
        exist: Any = True,
    ) -> Any:
        """See `JoinedWeights.table`."""
        import tensorflow as tf

        if seen is None:
            return tf.fill([1, len(STATISTICS)], float("nan"))
        self._kept.assign_sub(variables[seen.index].value, read_value=False)
        change = tf.convert_to_tensor(self._kept)
        unchanged = self._size - self._changed(change)
        norm, _, _, unchanged = self._measured(change, tf.zeros(()), unchanged)
        update = [norm, unchanged / self._size]
        if updated is not True:
            update = [tf.where(updated, number, float("nan")) for number in update]
        row = tf.stack([*seen.found, *update])[None]
        return row if exist is True else tf.where(exist, row, float("nan"))

    def _measured(self, x: Any, largest: Any, zeros: Any) -> Sequence[Any]:
        """Norm, largest value, number of elements that are not finite, and of zeros.

        Args:
            x: the elements.
            largest: the largest value, if all are finite.
            zeros: the number of zeros, if all are finite.
        """
        import tensorflow as tf

        squares = 2 * tf.nn.l2_loss(x)
        is_exact = (squares > 1e-30 * self._size) & (squares < 1e30 * self._size)
        quick = tf.sqrt(squares), largest, tf.zeros(()), zeros
        return quick_or_exact(is_exact, quick, _exact, tf.reshape(x, [-1]))

    def _changed(self, change: Any) -> Any:
        """The number of elements that are not zero."""
        import tensorflow as tf

        blocks = max(1, min(MOST_BLOCKS, self._size // BLOCK))
        # Aligned rows are divided without a copy.
        width = ALIGNED if self._size % ALIGNED == 0 else 1
        rows = self._size // width
        lengths = [(i + 1) * rows // blocks - i * rows // blocks for i in range(blocks)]
        counts: list = []
        for part in tf.split(tf.reshape(change, [rows, width]), lengths):
            # One block after the other takes the same memory.
            with tf.control_dependencies(counts[-1:]):
                # The squares of signs count.
                counts.append(tf.nn.l2_loss(tf.sign(part)))
        return tf.round(2 * tf.add_n(counts))


def are_large(variables: Sequence[keras.Variable]) -> list[bool]:
    """Which of some weights are measured by themselves; none on several devices or a GPU.

    A GPU waits longer for operations to begin than for memory.
    """
    import tensorflow as tf

    devices = tf.config.list_logical_devices()
    is_cpu = all(device.device_type == "CPU" for device in devices)
    if not is_cpu or tf.distribute.get_strategy().num_replicas_in_sync > 1:
        return [False] * len(variables)
    return [prod(v.shape) >= LARGE and v.dtype == "float32" for v in variables]


def _exact(x: Any) -> tuple[Any, Any, Any, Any]:
    """The numbers of `LargeWeight._measured`, however extreme the elements are."""
    import tensorflow as tf

    peak = tf.maximum(tf.reduce_max(x), -tf.reduce_min(x))
    scale = tf.where((peak > 0) & tf.math.is_finite(peak), peak, 1.0)
    norm = scale * tf.sqrt(tf.reduce_sum(tf.square(x / scale)))
    nonfinite = tf.reduce_sum(1 - tf.cast(tf.math.is_finite(x), "float32"))
    zeros = tf.reduce_sum(tf.cast(tf.equal(x, 0), "float32"))
    # A maximum may skip a NaN, a sum does not.
    return norm, tf.where(tf.math.is_nan(norm), norm, peak), nonfinite, zeros


def _may_wait(grad: Any) -> bool:
    """Whether a gradient keeps its numbers when it is handed on later.

    A product does not, as `optimizers.aside` explains.
    """
    import tensorflow as tf

    return tf.is_symbolic_tensor(grad) and not is_product(grad)
