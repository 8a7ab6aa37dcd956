"""A buffer on the device that holds what the last training steps recorded."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keraskip.callbacks.columns import Rows

# float32 counts so far without a gap.
ROWS_APART = 2**20


class Ring:
    """Variables that a training step writes into, one row at a time, over the oldest ones.

    Args:
        capacity: how many rows it holds.
        shape: of the values of one step, weights and columns.
        scalars: number of scalars of each step.
        optimizers: number of optimizers; each counts its own steps.
        batch: of the numbers that a batch tells, replicas and numbers.
    """

    def __init__(
        self,
        capacity: int,
        shape: tuple[int, int],
        scalars: int,
        optimizers: int = 1,
        batch: tuple[int, int] = (1, 0),
    ) -> None:
        self.capacity = capacity
        shapes = {
            "values": ((capacity, *shape), "float32"),
            "scalars": ((capacity, scalars), "float32"),
            "steps": ((capacity,), "int32"),
            # The first number tells which row they belong to, counted from 1.
            "batches": ((capacity, batch[0], 1 + batch[1]), "float32"),
            # Rows so far, and the steps of each optimizer.
            "counts": ((1 + optimizers,), "int32"),
        }
        # All replicas of a model compute the same row.
        options = {"trainable": False, "aggregation": "only_first_replica"}
        self.variables = [
            keras.Variable("zeros", shape, dtype, name=f"gradient_{name}", **options)
            for name, (shape, dtype) in shapes.items()
        ]

    def write(self, values: Any, scalars: Any, optimizer: int = 0) -> None:
        """Adds the row of one step of an optimizer, as part of the step."""
        all_values, all_scalars, steps, _, counts = self.variables
        slot = ops.mod(counts.value[0], self.capacity)
        _put(all_values, slot, values)
        _put(all_scalars, slot, scalars)
        _put(steps, slot, counts.value[1 + optimizer])
        counts.assign_add(_one_after(values) * self._added(1, optimizer))

    def write_batch(self, numbers: Sequence[Any]) -> None:
        """Adds what the batch of the last row tells, at the end of the training step."""
        *_, batches, counts = self.variables
        last = counts.value[0] - 1
        numbers = [1 + ops.mod(last, ROWS_APART), *numbers]
        row = ops.concatenate([ops.reshape(ops.cast(n, "float32"), (-1,)) for n in numbers])
        _put(batches, ops.mod(last, self.capacity), _of_replicas(row, batches.shape[1]))

    def skip(self, optimizer: int = 0) -> None:
        """Counts a step without a row."""
        self.variables[-1].assign_add(self._added(0, optimizer))

    def _added(self, rows: int, optimizer: int) -> np.ndarray:
        """The counts of one step of an optimizer."""
        added = np.zeros(self.variables[-1].shape, "int32")
        added[[0, 1 + optimizer]] = rows, 1
        return added

    def read(self, state: Sequence[Any], since: int) -> tuple[Rows, int, np.ndarray]:
        """The rows after the first `since`, the number of rows and each optimizer's steps so far.

        The oldest rows are lost where there are more than the ring holds.

        Args:
            state: the values of `variables`.
            since: number of rows that were read before.
        """
        parts = [ops.convert_to_numpy(ops.copy(value)) for value in state]
        *parts, (written, *steps) = parts
        rows = np.arange(max(since, written - self.capacity), written)
        values, scalars, numbers, batches = (part[rows % self.capacity] for part in parts)
        batches = _by_row(batches, rows)
        return Rows(numbers, values, scalars, batches), int(written), np.array(steps)


def _by_row(batches: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """What the batch of each row tells; NaN where that is not known.

    A training step that calls optimizers several times writes several rows, and the numbers of its
    batch at the last one.
    """
    is_last = batches[:, 0, 0] == 1 + rows % ROWS_APART
    ends = np.flatnonzero(is_last)
    place = np.searchsorted(ends, np.arange(len(rows)))
    # Past the last one there is nothing.
    padded = np.concatenate([batches[ends], np.full((1, *batches.shape[1:]), np.nan, "float32")])
    return padded[place][:, :, 1:]


def _of_replicas(row: Any, replicas: int) -> Any:
    """The rows of all replicas of a `tf.distribute` strategy, one below the other."""
    if replicas == 1:
        return row[None]
    import tensorflow as tf

    here = tf.distribute.get_replica_context()
    is_mine = tf.range(replicas)[:, None] == here.replica_id_in_sync_group
    # Not a product, as a row may hold NaN.
    return here.all_reduce(tf.distribute.ReduceOp.SUM, tf.where(is_mine, row[None], 0.0))


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
