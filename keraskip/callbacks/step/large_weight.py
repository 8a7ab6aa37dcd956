"""TensorFlow on a CPU only: a large weight, measured by itself and without a copy in fresh memory.

The C library asks the system for each tensor of 128 KiB and more, and the system hands out zeroed
pages one by one as they are first written to: for a tensor of 0.8 MB that takes longer than to read
it ten times. So gradient and weight are read where they are, the weight before the step is kept in
variables from step to step, and what else needs memory works on small blocks. An operation on a
small block also runs in one thread, without waiting for another one.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import keras

from keraskip.callbacks.columns import STATISTICS
from keraskip.callbacks.step.blocks import Blocks, largest_of, squares_of, zeros_of
from keraskip.callbacks.step.optimizers import indices_by_row, is_product

# Elements: a smaller weight costs less as part of a matrix.
LARGE = 2**16


class SeenLarge(NamedTuple):
    """A view of a large weight before a step.

    Attributes:
        variable_index: the weight's index in the optimizer.
        found: norm, largest value and non-finite count of the gradient, and the weight's norm.
        kept: the operations that keep the weight.
    """

    variable_index: int
    found: list[Any]
    kept: list[Any]


class LargeWeight:
    """A weight that is measured by itself, block by block.

    Args:
        variables: the weight, float32, as the only one.
    """

    def __init__(self, variables: Sequence[keras.Variable]) -> None:
        import tensorflow as tf

        (self._variable,) = variables
        self._blocks = Blocks(prod(self._variable.shape))
        # Of TensorFlow alone, which needs not know them beforehand.
        self.variables: list[keras.Variable] = []
        with tf.init_scope():
            # The weight before the step, and then its change.
            zeros = [tf.zeros(shape) for shape in self._blocks.shapes]
            self._kept = [tf.Variable(block, trainable=False) for block in zeros]

    def before(
        self, variables: Sequence[keras.Variable], grads: Mapping[int, Any], values: Sequence[Any]
    ) -> SeenLarge | None:
        """See `JoinedWeights.before`; None without a gradient."""
        import tensorflow as tf

        indices = indices_by_row({id(self._variable): 0}, variables, grads)
        if not indices:
            return None
        (index,) = indices.values()
        gradient, weight = self._blocks.of(grads[index]), self._blocks.of(values[index])
        norm, largest, nonfinite, _ = self._blocks.measured(gradient, largest=largest_of(gradient))
        found = [norm, largest, nonfinite, tf.sqrt(squares_of(weight))]
        pairs = zip(self._kept, weight, strict=True)
        return SeenLarge(index, found, [kept.assign(x, read_value=False) for kept, x in pairs])

    def handed_on(self, seen: SeenLarge | None, grads: Sequence[Any]) -> Sequence[Any]:
        """The gradients for the optimizer, this one once it is measured.

        The optimizer is then its last reader, and writes over it instead of into new memory. It
        does so with the weight, too.
        """
        import tensorflow as tf

        if seen is None or not _may_wait(grads[seen.variable_index]):
            return grads
        grads = list(grads)
        with tf.control_dependencies([*seen.found, *seen.kept]):
            grads[seen.variable_index] = tf.identity(grads[seen.variable_index])
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
        after = self._blocks.of(variables[seen.variable_index].value)
        for kept, block in zip(self._kept, after, strict=True):
            kept.assign_sub(block, read_value=False)
        change = [tf.convert_to_tensor(kept) for kept in self._kept]
        norm, _, _, zeros = self._blocks.measured(change, zeros=zeros_of(change))
        update = [norm, zeros / self._blocks.size]
        if updated is not True:
            update = [tf.where(updated, number, float("nan")) for number in update]
        row = tf.stack([*seen.found, *update])[None]
        return row if exist is True else tf.where(exist, row, float("nan"))


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


def _may_wait(grad: Any) -> bool:
    """Whether a gradient keeps its numbers when it is handed on later.

    A product does not, as `optimizers.aside` explains.
    """
    import tensorflow as tf

    return tf.is_symbolic_tensor(grad) and not is_product(grad)
