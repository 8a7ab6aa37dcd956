"""TensorFlow on a CPU only: large weights, measured with little memory traffic.

Memory traffic is the cost of their statistics. Here gradients are measured without a copy, and the
weights before and after a step as parts of matrices that fit into the processor's cache. Whole
matrices, as `JoinedWeights` has them, take about four times the traffic.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import keras
from keras import ops

from keraskip.callbacks.columns import STATISTICS
from keraskip.callbacks.step.matrix import Layout
from keraskip.callbacks.step.optimizers import indices_by_row, is_product
from keraskip.callbacks.step.statistics import (
    exact_of_gradient,
    exact_of_update,
    quick_or_exact,
)

# Elements: above this, operations for a single weight cost less than the traffic they save.
LARGE = 2**11
# Least number of elements of a group: it stays in the processor's cache, and its memory comes from
# TensorFlow's own allocator. Below 256 KiB malloc serves it, which from 128 KiB on asks the system
# anew each time.
GROUP = 2**17


class SeenLarge(NamedTuple):
    """A view of large weights before a step.

    Attributes:
        indices: for each weight with a gradient, by its row, its index in the optimizer.
        layout: how a matrix holds these weights, if there are any.
        of_gradient: the statistics of the gradients, each `[len(indices)]`.
        weights: matrix of the weights.
    """

    indices: dict[int, int]
    layout: Layout | None
    of_gradient: Sequence[Any]
    weights: Any


class LargeWeights:
    """A group of large weights, measured as soon as it has its gradients, while others wait.

    Args:
        variables: the weights, float32, in the order of the rows.
    """

    def __init__(self, variables: Sequence[keras.Variable]) -> None:
        self._row_of = {id(variable): row for row, variable in enumerate(variables)}
        self._shapes = [tuple(variable.shape) for variable in variables]
        # None is kept from step to step.
        self.variables: list[keras.Variable] = []

    def before(
        self, variables: Sequence[keras.Variable], grads: Mapping[int, Any], values: Sequence[Any]
    ) -> SeenLarge:
        """See `JoinedWeights.before`."""
        indices = indices_by_row(self._row_of, variables, grads)
        if not indices:
            return SeenLarge({}, None, [], None)
        layout = Layout([self._shapes[row] for row in indices])
        measured = [ops.cast(grads[index], "float32") for index in indices.values()]
        weights = _joined(layout, [values[index] for index in indices.values()])
        return SeenLarge(indices, layout, _of_gradients(layout, measured), weights)

    def handed_on(self, seen: SeenLarge, grads: Sequence[Any]) -> list:
        """The gradients for the optimizer, once they are measured.

        The optimizer is then their last reader, and writes over them instead of into new memory.
        """
        import tensorflow as tf

        grads = list(grads)
        with tf.control_dependencies(seen.of_gradient):
            for index in seen.indices.values():
                if _may_wait(grads[index]):
                    grads[index] = tf.identity(grads[index])
        return grads

    def table(
        self, seen: SeenLarge, variables: Sequence[keras.Variable], updated: Any, exist: Any = True
    ) -> Any:
        """See `JoinedWeights.table`."""
        import tensorflow as tf

        if not seen.layout:
            return tf.fill([len(self._row_of), len(STATISTICS)], float("nan"))
        layout, after = seen.layout, [variables[index].value for index in seen.indices.values()]
        weight = tf.sqrt(_squares(layout, seen.weights))
        # This order lets TensorFlow write the change over the weights from before.
        with tf.control_dependencies([weight]):
            change = _joined(layout, after) - seen.weights
        update = _of_change(layout, change)
        if updated is not True:
            update = [tf.where(updated, column, float("nan")) for column in update]
        table = tf.stack([*seen.of_gradient, weight, *update], axis=-1)
        return self._with_all_rows(table, seen.indices, exist)

    def _with_all_rows(self, table: Any, indices: Mapping[int, int], exist: Any) -> Any:
        import tensorflow as tf

        if exist is not True:
            table = tf.where(exist, table, float("nan"))
        if len(indices) == len(self._row_of):
            return table
        rows = [[row] for row in indices]
        nothing = tf.fill([len(self._row_of), len(STATISTICS)], float("nan"))
        return tf.tensor_scatter_nd_update(nothing, rows, table)


def groups_of_large(variables: Sequence[keras.Variable], rows: Sequence[int]) -> list[list[int]]:
    """The large weights among some, by their rows, group by group; none where there is a GPU.

    A GPU waits longer for operations to begin than for memory.
    """
    import tensorflow as tf

    if any(device.device_type != "CPU" for device in tf.config.list_logical_devices()):
        return []
    groups: list[list[int]] = [[]]
    filled = 0
    for row in rows:
        variable = variables[row]
        size = prod(variable.shape)
        if size >= LARGE and variable.dtype == "float32":
            groups[-1].append(row)
            filled += size
        if filled >= GROUP:
            groups.append([])
            filled = 0
    return [group for group in groups if group]


def _of_gradients(layout: Layout, grads: Sequence[Any]) -> Sequence[Any]:
    import tensorflow as tf

    squares = 2 * tf.stack([tf.nn.l2_loss(grad) for grad in grads])
    highest, lowest = (
        tf.stack([reduce(grad) for grad in grads]) for reduce in (tf.reduce_max, tf.reduce_min)
    )
    largest = tf.maximum(highest, -lowest)
    return quick_or_exact(
        layout.are_exact(squares[:, None]),
        (tf.sqrt(squares), largest, tf.zeros_like(largest)),
        lambda *grads: exact_of_gradient(layout, _joined(layout, grads)),
        *grads,
    )


def _of_change(layout: Layout, change: Any) -> list[Any]:
    """Its norm, and the share of elements without a change."""
    import tensorflow as tf

    squares = _squares(layout, change)
    norm, frozen = quick_or_exact(
        layout.are_exact(squares[:, None]),
        (tf.sqrt(squares), tf.fill([layout.weights], -1.0)),
        lambda change: exact_of_update(layout, tf.zeros_like(change), change),
        change,
    )
    # This order lets TensorFlow write the signs over the change.
    with tf.control_dependencies([norm]):
        changed = _squares(layout, tf.sign(change))
    quick = layout.share(layout.sizes - tf.round(changed))
    return [norm, tf.where(frozen < 0, quick, frozen)]


def _squares(layout: Layout, matrix: Any) -> Any:
    """Sum of squares of each weight, `[W]`, without a matrix of squares."""
    import tensorflow as tf

    parts = tf.split(matrix, layout.rows) if layout.weights > 1 else [matrix]
    return 2 * tf.stack([tf.nn.l2_loss(part) for part in parts])


def _joined(layout: Layout, tensors: Sequence[Any]) -> Any:
    return layout.join(dict(enumerate(tensors)), "float32", "")


def _may_wait(grad: Any) -> bool:
    """Whether a gradient keeps its numbers when it is handed on later.

    A product does not, as `optimizers.aside` explains.
    """
    import tensorflow as tf

    return tf.is_symbolic_tensor(grad) and not is_product(grad)
