"""What sums over weights need to know: how many elements each has, and which rows of a matrix."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keraskip.callbacks.step.optimizers import in_xla

# Elements in a row of the matrix. A sum over such rows, then one over the rows of a weight, is
# nearly as exact as a pairwise sum, and few zeros fill the last row of a weight.
WIDTH = 256


class Sizes:
    """The number of elements of each weight.

    Args:
        sizes: these numbers [W], float32.
    """

    def __init__(self, sizes: Any) -> None:
        self.sizes = sizes

    def are_exact(self, squares: Any, given: Any = True) -> Any:
        """Whether sums of squares lost nothing to the range of float32.

        Args:
            squares: the sums, `[W, several]`.
            given: which weights count, `[W]`.
        """
        means = squares / self.sizes[:, None]
        lost_nothing = ops.all((means > 1e-30) & (means < 1e30), axis=1)
        return ops.all(lost_nothing if given is True else ops.logical_or(lost_nothing, ~given))

    def share(self, count: Any) -> Any:
        """The share of each weight's elements that were counted, `[W]`."""
        # A compiler may multiply by 1 / size instead of dividing.
        whole = ops.equal(count, self.sizes)
        return ops.where(whole, 1.0, ops.divide(count, self.sizes))


class Places(Sizes):
    """Which weight each row of a matrix belongs to: what sums over weights need to know.

    A few operations on a matrix are far cheaper than a few on each weight of a deep network.

    Args:
        rows: number of rows of each weight [W].
        owner: the number of the weight of each row [rows].
        sizes: number of elements of each weight [W], float32.
    """

    def __init__(self, rows: Any, owner: Any, sizes: Any) -> None:
        super().__init__(sizes)
        self.rows, self.owner = rows, owner

    @property
    def given(self) -> tuple[Any, Any, Any]:
        """The arguments that make these places."""
        return self.rows, self.owner, self.sizes

    def sum(self, x: Any) -> Any:
        """The sum of each weight's elements, `[W]`."""
        return self._of_weights(ops.sum(x, axis=-1), "sum")

    def squares(self, several: Sequence[Any]) -> Any:
        """The sum of squares of each weight in each of several matrices, `[W, several]`."""
        of_rows = ops.stack([_squares_of_rows(x) for x in several], axis=-1)
        return self._of_weights(of_rows, "sum")

    def largest(self, x: Any) -> Any:
        """The largest absolute value of each weight, `[W]`."""
        of_rows = ops.maximum(ops.max(x, axis=-1), -ops.min(x, axis=-1))
        return self._of_weights(of_rows, "max")

    def count(self, marked: Any) -> Any:
        """The number of each weight's elements that booleans `[rows, WIDTH]` mark, `[W]`."""
        return self.sum(ops.cast(marked, "float32"))

    def share_of_zeros(self, zeros: Any) -> Any:
        """The share of each weight's elements that are marked as zeros, `[rows, WIDTH]`."""
        # They that fill the rows are marked, too.
        filling = ops.cast(self.rows * WIDTH, "float32") - self.sizes
        return self.share(self.count(zeros) - filling)

    def spread(self, values: Any) -> Any:
        """`[W]` as `[rows, 1]`."""
        return ops.take(values, self.owner, axis=0)[:, None]

    def norm_and_largest(self, x: Any) -> tuple[Any, Any]:
        """L2 norm, exact also where squares of float32 under- or overflow, and largest value.

        The latter is an absolute value. Both are NaN if there is a NaN.
        """
        peak = self.largest(x)
        scale = ops.where(ops.logical_and(peak > 0, ops.isfinite(peak)), peak, ops.ones_like(peak))
        norm = scale * ops.sqrt(self.sum(ops.square(x / self.spread(scale))))
        # A backend's own maximum may skip a NaN, the sum does not.
        return norm, ops.where(ops.isnan(norm), norm, peak)

    @staticmethod
    def exact(rows: Any, owner: Any, sizes: Any, gradient: Any, change: Any) -> tuple[Any, ...]:
        """Statistics of one step, each `[W]`, however extreme the numbers are.

        They are norm, largest absolute value and non-finite count of the gradient, and norm and
        share of zeros of the change of the weights.

        Args:
            rows: see `Places`.
            owner: see `Places`.
            sizes: see `Places`.
            gradient: matrix of the gradients.
            change: matrix of the changes, in the weights' own dtype.
        """
        places = Places(rows, owner, sizes)
        nonfinite = places.count(ops.logical_not(ops.isfinite(gradient)))
        norm, largest = places.norm_and_largest(gradient)
        update, _ = places.norm_and_largest(ops.cast(change, "float32"))
        # `w + dw == w` in the weight's own dtype.
        return norm, largest, nonfinite, update, places.share_of_zeros(change == 0)

    def unit(self, x: Any) -> Any:
        """Each weight's vector scaled to length 1; NaN for one of length 0."""
        return x / self.spread(self.norm_and_largest(x)[0])

    def _of_weights(self, of_rows: Any, how: str) -> Any:
        """`"sum"` or `"max"` of each weight's rows."""
        if keras.backend.backend() == "torch":
            import torch

            # Keras' way takes ten times as long.
            return torch.segment_reduce(of_rows, how, lengths=self.rows, axis=0)
        reduce = ops.segment_sum if how == "sum" else ops.segment_max
        weights = self.sizes.shape[0]
        return reduce(of_rows, self.owner, ops.size(self.sizes) if weights is None else weights)


def _squares_of_rows(x: Any) -> Any:
    """The sum of squares of each row, in one pass without a matrix of squares."""
    backend = keras.backend.backend()
    # XLA, on JAX too, needs no operation for that, and has none.
    if backend == "tensorflow" and not in_xla():
        import tensorflow as tf

        return tf.square(tf.math.reduce_euclidean_norm(x, axis=-1))
    if backend == "torch":
        import torch

        return torch.linalg.vector_norm(x, dim=-1) ** 2
    return ops.sum(ops.square(x), axis=-1)
