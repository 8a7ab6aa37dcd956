"""TensorFlow only: large weights, with as little memory traffic as can be.

That is what their statistics cost. Here gradients are measured where they are, and the weights of
before and after a step as parts of matrices that fit into the processor's cache. To do all in whole
matrices, as `JoinedWeights` does, takes about four times the traffic.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import keras
from keras import ops

from keraskip.callbacks.chunks import Chunks
from keraskip.callbacks.joined_weights import places_of
from keraskip.callbacks.optimizers import is_product
from keraskip.callbacks.statistics import (
    STATISTICS,
    exact_of_gradient,
    exact_of_update,
    quick_or_exact,
)

# Elements from which on the operations for a single weight cost less than the traffic they save.
LARGE = 2**11
# Elements of a group, at least: few enough to stay in the processor's cache, and enough that their
# memory comes from TensorFlow's own store. Below 256 KiB it comes from malloc, and from 128 KiB on
# malloc asks the system for it anew each time.
GROUP = 2**17


class SeenLarge(NamedTuple):
    """What was seen of large weights before a step.

    Attributes:
        places: for each of them that has a gradient, by its row, the place among the optimizer's
            variables.
        chunks: how a matrix holds those, if there are any.
        of_gradient: the statistics of the gradients, each `[len(places)]`.
        weights: matrix of the weights.
    """

    places: dict[int, int]
    chunks: Chunks | None
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
        # Nothing is kept from step to step.
        self.variables: list[keras.Variable] = []

    def before(
        self, variables: Sequence[keras.Variable], grads: Mapping[int, Any], values: Sequence[Any]
    ) -> SeenLarge:
        """See `JoinedWeights.before`."""
        places = places_of(self._row_of, variables, grads)
        if not places:
            return SeenLarge({}, None, [], None)
        chunks = Chunks([self._shapes[row] for row in places])
        own = [ops.cast(grads[place], "float32") for place in places.values()]
        weights = _joined(chunks, [values[place] for place in places.values()])
        return SeenLarge(places, chunks, _of_gradients(chunks, own), weights)

    def handed_on(self, seen: SeenLarge, grads: Sequence[Any]) -> list:
        """The optimizer's gradients, once these here are measured.

        So the optimizer has them for itself, and writes over them instead of into new memory.
        """
        import tensorflow as tf

        grads = list(grads)
        with tf.control_dependencies(seen.of_gradient):
            for place in seen.places.values():
                if _may_wait(grads[place]):
                    grads[place] = tf.identity(grads[place])
        return grads

    def table(
        self, seen: SeenLarge, variables: Sequence[keras.Variable], updated: Any, exist: Any = True
    ) -> Any:
        """See `JoinedWeights.table`."""
        import tensorflow as tf

        if not seen.chunks:
            return tf.fill([len(self._row_of), len(STATISTICS)], float("nan"))
        chunks, before = seen.chunks, seen.weights
        after = [tf.convert_to_tensor(variables[place].value) for place in seen.places.values()]
        change = _joined(chunks, after) - before
        squares = _squares(chunks, change)
        # Only then, so that the signs are written over the change.
        with tf.control_dependencies([squares]):
            changed = _squares(chunks, tf.sign(change))
        quick = tf.sqrt(squares), chunks.share(chunks.sizes - tf.round(changed))
        update = quick_or_exact(
            chunks.are_exact(squares[:, None]),
            quick,
            lambda before, *after: exact_of_update(chunks, before, _joined(chunks, after)),
            before,
            *after,
        )
        if updated is not True:
            update = [tf.where(updated, column, float("nan")) for column in update]
        weight = tf.sqrt(_squares(chunks, before))
        table = tf.stack([*seen.of_gradient, weight, *update], axis=-1)
        return self._with_all_rows(table, seen.places, exist)

    def _with_all_rows(self, table: Any, places: Mapping[int, int], exist: Any) -> Any:
        import tensorflow as tf

        if exist is not True:
            table = tf.where(exist, table, float("nan"))
        if len(places) == len(self._row_of):
            return table
        rows = [[row] for row in places]
        nothing = tf.fill([len(self._row_of), len(STATISTICS)], float("nan"))
        return tf.tensor_scatter_nd_update(nothing, rows, table)


def groups_of_large(variables: Sequence[keras.Variable]) -> list[list[int]]:
    """The places of the large weights among these, group by group; none if they are not on a CPU.

    A GPU waits longer for operations to begin than for memory.
    """
    import tensorflow as tf

    if any(device.device_type != "CPU" for device in tf.config.list_logical_devices()):
        return []
    groups: list[list[int]] = [[]]
    filled = 0
    for place, variable in enumerate(variables):
        size = prod(variable.shape)
        if size >= LARGE and variable.dtype == "float32":
            groups[-1].append(place)
            filled += size
        if filled >= GROUP:
            groups.append([])
            filled = 0
    return [group for group in groups if group]


def _of_gradients(chunks: Chunks, grads: Sequence[Any]) -> Sequence[Any]:
    import tensorflow as tf

    squares = 2 * tf.stack([tf.nn.l2_loss(grad) for grad in grads])
    highest, lowest = (
        tf.stack([reduce(grad) for grad in grads]) for reduce in (tf.reduce_max, tf.reduce_min)
    )
    largest = tf.maximum(highest, -lowest)
    return quick_or_exact(
        chunks.are_exact(squares[:, None]),
        (tf.sqrt(squares), largest, tf.zeros_like(largest)),
        lambda *grads: exact_of_gradient(chunks, _joined(chunks, grads)),
        *grads,
    )


def _squares(chunks: Chunks, matrix: Any) -> Any:
    """Sum of squares of each weight, `[W]`, without a matrix of squares."""
    import tensorflow as tf

    parts = tf.split(matrix, chunks.rows) if chunks.weights > 1 else [matrix]
    return 2 * tf.stack([tf.nn.l2_loss(part) for part in parts])


def _joined(chunks: Chunks, tensors: Sequence[Any]) -> Any:
    return chunks.join(dict(enumerate(tensors)), "float32", "")


def _may_wait(grad: Any) -> bool:
    """Whether a gradient can be handed on later, with the same numbers.

    A product cannot: `optimizers.aside` says what TensorFlow does with it.
    """
    import tensorflow as tf

    return tf.is_symbolic_tensor(grad) and not is_product(grad)
