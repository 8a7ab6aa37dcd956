"""TensorFlow only: the elements of a large tensor, measured block by block."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from keraskip.callbacks.step.choice import quick_or_exact

# Elements of a block: 64 KiB.
BLOCK = 2**14
MOST_BLOCKS = 16
# Memory that tensors share begins at multiples of this number of elements.
ALIGNED = 16


class Blocks:
    """How tensors of one size are divided.

    Args:
        size: number of elements.

    Attributes:
        size: number of elements.
        shapes: of the blocks.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        # Aligned rows are divided without a copy.
        self._width = ALIGNED if size % ALIGNED == 0 else 1
        rows, blocks = size // self._width, max(1, min(MOST_BLOCKS, size // BLOCK))
        ends = [i * rows // blocks for i in range(blocks + 1)]
        self.shapes = [(end - begin, self._width) for begin, end in pairwise(ends)]

    def of(self, x: Any) -> list[Any]:
        """The blocks of a tensor."""
        import tensorflow as tf

        rows = tf.reshape(tf.cast(x, "float32"), [-1, self._width])
        lengths = [length for length, _ in self.shapes]
        return tf.split(rows, lengths) if len(lengths) > 1 else [rows]

    def measured(
        self, blocks: Sequence[Any], largest: Any = 0.0, zeros: Any = 0.0
    ) -> Sequence[Any]:
        """Norm, largest absolute value, number of elements that are not finite, and of zeros.

        Args:
            blocks: the elements.
            largest: what `largest_of` says; that is true unless elements are extreme.
            zeros: what `zeros_of` says, likewise.
        """
        import tensorflow as tf

        squares = squares_of(blocks)
        is_exact = (squares > 1e-30 * self.size) & (squares < 1e30 * self.size)
        quick = tf.sqrt(squares), largest, 0.0, zeros
        return quick_or_exact(is_exact, quick, _exact, *blocks)


def squares_of(blocks: Sequence[Any]) -> Any:
    """The sum of squares."""
    import tensorflow as tf

    return 2 * tf.add_n([tf.nn.l2_loss(block) for block in blocks])


def largest_of(blocks: Sequence[Any]) -> Any:
    """The largest absolute value; it may skip a NaN."""
    import tensorflow as tf

    highest = tf.reduce_max(tf.stack([tf.reduce_max(block) for block in blocks]))
    lowest = tf.reduce_min(tf.stack([tf.reduce_min(block) for block in blocks]))
    return tf.maximum(highest, -lowest)


def zeros_of(blocks: Sequence[Any]) -> Any:
    """The number of elements that are zero."""
    import tensorflow as tf

    counts: list = []
    for block in blocks:
        # One block after the other takes the same memory.
        with tf.control_dependencies(counts[-1:]):
            # The squares of signs count.
            counts.append(tf.nn.l2_loss(tf.sign(block)))
    size = float(sum(block.shape.num_elements() for block in blocks))
    return size - tf.round(2 * tf.add_n(counts))


def _exact(*blocks: Any) -> tuple[Any, Any, Any, Any]:
    """The numbers of `Blocks.measured`, however extreme the elements are."""
    import tensorflow as tf

    x = tf.concat(blocks, 0)
    peak = tf.maximum(tf.reduce_max(x), -tf.reduce_min(x))
    scale = tf.where((peak > 0) & tf.math.is_finite(peak), peak, 1.0)
    norm = scale * tf.sqrt(tf.reduce_sum(tf.square(x / scale)))
    nonfinite = tf.reduce_sum(1 - tf.cast(tf.math.is_finite(x), "float32"))
    zeros = tf.reduce_sum(tf.cast(tf.equal(x, 0), "float32"))
    # A maximum may skip a NaN, a sum does not.
    return norm, tf.where(tf.math.is_nan(norm), norm, peak), nonfinite, zeros
