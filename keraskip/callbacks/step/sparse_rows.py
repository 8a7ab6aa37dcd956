"""TensorFlow only: weights that a step changes in a few rows, as embeddings, measured by these.

The gradient of a lookup is rows and their indices. A step with it costs little, however large the
table, where the optimizer writes these rows only; a pass over the table costs many times the step.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from keraskip.callbacks.step.choice import quick_or_exact

# Parts of a weight. Each step sums one of them anew, in turn.
BLOCKS = 1024
# By how much a block's sum of squares may differ from the kept one: half of that in the norm.
TOLERANCE = 1e-5


class SeenRows(NamedTuple):
    """A view of a weight before a step.

    Attributes:
        gradient: the rows of the gradient, each once.
        exist: whether the weight has such a row.
        of_gradient: its sum of squares and its largest absolute value.
        before: the rows of the weight.
        sums: the sum of squares of each block of the weight.
    """

    gradient: Any
    exist: Any
    of_gradient: tuple[Any, Any]
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
        rows = tf.cast(gradient.values, "float32")
        largest = tf.maximum(tf.reduce_max(rows), -tf.reduce_min(rows))
        return SeenRows(
            tf.IndexedSlices(rows, gradient.indices),
            tf.less(gradient.indices, self._count),
            (2 * tf.nn.l2_loss(rows), largest),
            self._gathered(gradient.indices),
            self._sums_before(),
        )

    def table(
        self, seen: SeenRows, variables: Sequence[keras.Variable], updated: Any, exist: Any = True
    ) -> Any:
        """See `JoinedWeights.table`."""
        import tensorflow as tf

        rows, before = seen.gradient.indices, seen.before
        after = self._gathered(rows)
        change = after - before
        norm, largest, nonfinite, update = _norms(seen, change)
        changed = _sum(seen, tf.reduce_sum(tf.cast(tf.not_equal(after, before), "float32"), 1))
        # A difference of squares, without that of two large numbers.
        grown = tf.cast(tf.reduce_sum(change * (after + before), 1), "float64")
        block = tf.where(seen.exist, rows // self._per_block, -1)
        self._sums.assign(seen.sums + tf.math.unsorted_segment_sum(grown, block, BLOCKS))
        self._turn.assign((self._turn + 1) % BLOCKS)
        # Rounding may leave a zero negative.
        weight = tf.sqrt(tf.abs(tf.reduce_sum(seen.sums)))
        frozen = 1 - changed / (self._count * self._width)
        found = norm, largest, nonfinite, weight, update, frozen
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
        squares = tf.cast(_squares(self._gathered(rows)), "float64")
        squares = tf.where(rows < self._count, squares, 0.0)
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
        whole = tf.ensure_shape(whole, (self._count, self._width))
        squares = tf.cast(_squares(whole), "float64")
        filled = tf.pad(squares, [[0, BLOCKS * self._per_block - self._count]])
        return tf.reduce_sum(tf.reshape(filled, (BLOCKS, self._per_block)), axis=1)


def _norms(seen: SeenRows, change: Any) -> Sequence[Any]:
    """Norm, largest value and non-finite count of the gradient, and the norm of the change."""
    import tensorflow as tf

    squares, largest = seen.of_gradient
    update = tf.cast(_sum(seen, _squares(change)), "float32")
    means = tf.stack([squares, update]) / tf.cast(tf.size(change), "float32")
    return quick_or_exact(
        tf.reduce_all((means > 1e-30) & (means < 1e30)),
        (tf.sqrt(squares), largest, tf.zeros_like(largest), tf.sqrt(update)),
        _exact_norms,
        seen.gradient.values,
        change,
        seen.exist,
    )


def _exact_norms(gradient: Any, change: Any, exist: Any) -> tuple[Any, ...]:
    """The same, however extreme: in float64 the squares of float32 neither under- nor overflow."""
    import tensorflow as tf

    def norm_of(x: Any) -> Any:
        return tf.cast(tf.sqrt(tf.reduce_sum(tf.square(tf.cast(x, "float64")))), "float32")

    norm = norm_of(gradient)
    # The gradient of no lookup is zero. A maximum may skip a NaN, a sum does not.
    largest = tf.maximum(tf.reduce_max(tf.abs(gradient)), 0.0)
    nonfinite = tf.reduce_sum(1 - tf.cast(tf.math.is_finite(gradient), "float32"))
    update = norm_of(tf.where(exist[:, None], change, 0.0))
    return norm, tf.where(tf.math.is_nan(norm), norm, largest), nonfinite, update


def _sum(seen: SeenRows, of_rows: Any) -> Any:
    """The sum over the rows that exist."""
    import tensorflow as tf

    return tf.reduce_sum(tf.where(seen.exist, tf.cast(of_rows, "float64"), 0.0))


def _squares(rows: Any) -> Any:
    """The sum of squares of each row, without a tensor of squares."""
    import tensorflow as tf

    return tf.square(tf.math.reduce_euclidean_norm(rows, axis=1))
