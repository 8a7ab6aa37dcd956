"""TensorFlow only: weights that a step changes in a few rows, as embeddings, measured by these.

The gradient of a lookup is rows and their indices. A step with it costs little, however large the
table, where the optimizer writes these rows only; a pass over the table costs many times the step.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import keras
import numpy as np

# Elements: a smaller weight costs less as part of a matrix than in operations of its own.
LARGE = 2**16
# Parts of a weight. Each step sums one of them anew, in turn.
BLOCKS = 256
# By how much a block's sum of squares may differ from the kept one: half of that in the norm.
TOLERANCE = 1e-5


def changes_rows_only(optimizer: keras.optimizers.Optimizer, variable: keras.Variable) -> bool:
    """Whether a step with a sparse gradient leaves all other rows of a weight as they are.

    Keras' plain SGD hands the rows to `scatter_sub`. Momentum and weight decay change the whole
    weight, as all other optimizers do or may do.
    """
    import tensorflow as tf

    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    return (
        type(optimizer) is keras.optimizers.SGD
        and not (optimizer.momentum or optimizer.use_ema or optimizer.gradient_accumulation_steps)
        and optimizer.weight_decay is None
        and variable.constraint is None
        and variable.dtype == "float32"
        and len(variable.shape) == 2
        and prod(variable.shape) >= LARGE
        and tf.distribute.get_strategy().num_replicas_in_sync == 1
    )


def is_sparse(gradient: Any) -> bool:
    """Whether a gradient is rows and their indices."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return isinstance(gradient, tf.IndexedSlices)


def summed(gradient: Any) -> Any:
    """A sparse gradient with each row once, in the order of their indices.

    Rows of zeros, with an index that no weight has, fill it up to the number of rows it had.
    """
    import tensorflow as tf

    indices = tf.cast(gradient.indices, "int32")
    order = tf.argsort(indices, stable=True)
    indices = tf.gather(indices, order)
    begins = tf.not_equal(indices, tf.concat([[-1], indices[:-1]], 0))
    number = tf.cumsum(tf.cast(begins, "int32")) - 1
    length = tf.size(indices)
    values = tf.gather(gradient.values, order)
    values = tf.math.unsorted_segment_sum(values, number, length)
    # The minimum of nothing is the largest integer.
    rows = tf.math.unsorted_segment_min(indices, number, length)
    return tf.IndexedSlices(values, rows, gradient.dense_shape)


class SeenRows(NamedTuple):
    """A view of a weight before a step.

    Attributes:
        rows: the indices of its rows in the gradient, each once.
        exist: whether the weight has such a row.
        of_gradient: the statistics of the gradient.
        before: the rows of the weight.
        sums: the sum of squares of each block of the weight.
    """

    rows: Any
    exist: Any
    of_gradient: list[Any]
    before: Any
    sums: Any


class SparseRows:
    """A weight that is measured by the rows in its gradient.

    The norm of the whole weight follows from the sums of squares of its blocks, which are kept. A
    step adds to them what its rows changed. It also sums one block anew, in turn: where that is
    another number than the kept one, something else has changed the weight, such as a step without
    a record, and all blocks are summed anew.

    Args:
        variables: the weight, as the only one.
    """

    def __init__(self, variables: Sequence[keras.Variable]) -> None:
        import tensorflow as tf

        (self._variable,) = variables
        # Of TensorFlow alone, which needs not know them beforehand.
        self.variables: list[keras.Variable] = []
        self._count, self._width = self._variable.shape
        self._per_block = -(-self._count // BLOCKS)
        with tf.init_scope():
            # No sum is negative: at first all are unknown.
            self._sums = tf.Variable(np.full(BLOCKS, -1.0), trainable=False)
            self._turn = tf.Variable(0, trainable=False)

    def before(
        self, variables: Sequence[keras.Variable], grads: Mapping[int, Any], values: Sequence[Any]
    ) -> SeenRows:
        """See `JoinedWeights.before`."""
        import tensorflow as tf

        (gradient,) = (grads[i] for i in grads if variables[i] is self._variable)
        exist = tf.less(gradient.indices, self._count)
        before = self._gathered(gradient.indices)
        sums = self._sums_before()
        of_gradient = _of_gradient(tf.cast(gradient.values, "float32"))
        return SeenRows(gradient.indices, exist, of_gradient, before, sums)

    def handed_on(self, seen: SeenRows, grads: Sequence[Any]) -> Sequence[Any]:
        """The gradients for the optimizer, unchanged."""
        return grads

    def table(
        self, seen: SeenRows, variables: Sequence[keras.Variable], updated: Any, exist: Any = True
    ) -> Any:
        """See `JoinedWeights.table`."""
        import tensorflow as tf

        after = self._gathered(seen.rows)
        changed = tf.logical_and(tf.not_equal(after, seen.before), seen.exist[:, None])
        change = tf.where(changed, after - seen.before, 0.0)
        grown = tf.where(seen.exist, _squares(after) - _squares(seen.before), 0.0)
        block = tf.where(seen.exist, seen.rows // self._per_block, 0)
        self._sums.assign(seen.sums + tf.math.unsorted_segment_sum(grown, block, BLOCKS))
        self._turn.assign((self._turn + 1) % BLOCKS)
        size = self._count * self._width
        number = tf.reduce_sum(tf.cast(changed, "float64"))
        update = _norm(change), 1 - number / size
        found = [*seen.of_gradient, tf.sqrt(tf.reduce_sum(seen.sums)), *update]
        return tf.stack([tf.cast(each, "float32") for each in found])[None]

    def _gathered(self, rows: Any) -> Any:
        """Some rows of the weight, now; any row for one that it has not."""
        import tensorflow as tf

        return tf.gather(self._variable.value, tf.minimum(rows, self._count - 1))

    def _sums_before(self) -> Any:
        """The sums of squares of the blocks, `[BLOCKS]`."""
        import tensorflow as tf

        kept, turn = tf.convert_to_tensor(self._sums), tf.convert_to_tensor(self._turn)
        rows = turn * self._per_block + tf.range(self._per_block)
        squares = tf.where(rows < self._count, _squares(self._gathered(rows)), 0.0)
        found = tf.reduce_sum(squares)
        is_known = tf.abs(found - kept[turn]) <= TOLERANCE * found
        kept = tf.tensor_scatter_nd_update(kept, [[turn]], [found])
        return self._kept_or_anew(is_known, kept)

    def _kept_or_anew(self, is_known: Any, kept: Any) -> Any:
        """As one operation, see `statistics.quick_or_exact`; one branch reads the whole weight."""
        import tensorflow as tf

        handle = self._variable.value.handle
        if not tf.is_symbolic_tensor(is_known):
            return kept if is_known else self._summed_anew(handle)
        specs = [tf.TensorSpec(kept.shape, kept.dtype), tf.TensorSpec((), tf.resource)]
        branches = [
            tf.function(branch, autograph=False).get_concrete_function(*specs)
            for branch in (lambda kept, _: kept, lambda _, handle: self._summed_anew(handle))
        ]
        (sums,) = tf.raw_ops.If(
            cond=is_known,
            input=[kept, handle],
            Tout=[kept.dtype],
            output_shapes=[kept.shape],
            then_branch=branches[0],
            else_branch=branches[1],
        )
        return sums

    def _summed_anew(self, handle: Any) -> Any:
        import tensorflow as tf

        whole = tf.raw_ops.ReadVariableOp(resource=handle, dtype="float32")
        squares = _squares(tf.ensure_shape(whole, (self._count, self._width)))
        filled = tf.pad(squares, [[0, BLOCKS * self._per_block - self._count]])
        return tf.reduce_sum(tf.reshape(filled, (BLOCKS, self._per_block)), axis=1)


def _of_gradient(values: Any) -> list[Any]:
    """Norm, largest absolute value and number of non-finite elements."""
    import tensorflow as tf

    norm = _norm(values)
    largest = tf.reduce_max(tf.abs(values))
    # The gradient of no lookup is zero. The maximum may skip a NaN, the sum does not.
    largest = tf.where(tf.math.is_nan(norm), float("nan"), tf.maximum(largest, 0.0))
    finite = tf.cast(tf.math.is_finite(values), "float32")
    return [norm, largest, tf.reduce_sum(1 - finite)]


def _norm(x: Any) -> Any:
    """L2 norm. The squares of float32 neither under- nor overflow in float64."""
    import tensorflow as tf

    return tf.sqrt(tf.reduce_sum(tf.square(tf.cast(x, "float64"))))


def _squares(rows: Any) -> Any:
    """The sum of squares of each row, `[rows]`.

    Sums of float32 are the same for the same row, and added to float64 none drifts away.
    """
    import tensorflow as tf

    return tf.cast(tf.reduce_sum(tf.square(rows), axis=1), "float64")
