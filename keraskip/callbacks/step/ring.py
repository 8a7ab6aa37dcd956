"""A buffer on the device that holds what the last training steps recorded."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keraskip.callbacks.columns import Rows


class Ring:
    """Variables that a training step writes into, one row at a time, over the oldest ones.

    Args:
        capacity: how many rows it holds.
        shape: of the values of one step, weights and columns.
        scalars: number of scalars of each step.
    """

    def __init__(self, capacity: int, shape: tuple[int, int], scalars: int) -> None:
        self.capacity = capacity
        shapes = {
            "values": ((capacity, *shape), "float32"),
            "scalars": ((capacity, scalars), "float32"),
            "steps": ((capacity,), "int32"),
            # Rows and steps so far.
            "counts": ((2,), "int32"),
        }
        # All replicas of a model compute the same row.
        options = {"trainable": False, "aggregation": "only_first_replica"}
        self.variables = [
            keras.Variable("zeros", shape, dtype, name=f"gradient_{name}", **options)
            for name, (shape, dtype) in shapes.items()
        ]

    def write(self, values: Any, scalars: Any) -> None:
        """Adds the row of one step, as part of the step."""
        all_values, all_scalars, steps, counts = self.variables
        slot = ops.mod(counts.value[0], self.capacity)
        _put(all_values, slot, values)
        _put(all_scalars, slot, scalars)
        _put(steps, slot, counts.value[1])
        counts.assign_add([_one_after(values)] * 2)

    def skip(self) -> None:
        """Counts a step without a row."""
        self.variables[-1].assign_add([0, 1])

    def read(self, state: Sequence[Any], since: int) -> tuple[Rows, int, int]:
        """The rows after the first `since`, and the numbers of rows and of steps so far.

        The oldest rows are lost where there are more than the ring holds.

        Args:
            state: the values of `variables`.
            since: number of rows that were read before.
        """
        parts = [ops.convert_to_numpy(ops.copy(value)) for value in state]
        *parts, counts = parts
        written, steps = map(int, counts)
        slots = np.arange(max(since, written - self.capacity), written) % self.capacity
        values, scalars, numbers = (part[slots] for part in parts)
        return Rows(numbers, values, scalars), written, steps


def _put(variable: keras.Variable, slot: Any, row: Any) -> None:
    """Writes one row, in place also where a backend would copy the ring by default."""
    backend = keras.backend.backend()
    if backend == "torch":
        import torch

        with torch.no_grad():
            variable.value[slot] = row
        return
    if backend == "tensorflow":
        import tensorflow as tf

        if tf.distribute.get_strategy().num_replicas_in_sync == 1:
            variable.value.scatter_update(tf.IndexedSlices(row, slot))
            return
    start = [slot] + [0] * (len(variable.shape) - 1)
    variable.assign(ops.slice_update(variable.value, start, row[None]))


def _one_after(values: Any) -> Any:
    """The number 1; on TensorFlow only once the values are there.

    TensorFlow runs operations that do not depend on the data also in a step that fails, and would
    count a row that was never written.
    """
    if keras.backend.backend() != "tensorflow":
        return 1
    missing_any = ops.isnan(ops.sum(values))
    return ops.cast(missing_any, "int32") + ops.cast(ops.logical_not(missing_any), "int32")
