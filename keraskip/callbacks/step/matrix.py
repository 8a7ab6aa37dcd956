"""All recorded weights as one matrix, so that a few operations measure all of them."""

from collections.abc import Mapping, Sequence
from functools import cache
from math import prod
from typing import Any

import keras
import numpy as np
from keras import ops

from keraskip.callbacks.step.optimizers import dense, in_xla
from keraskip.callbacks.step.torch_matrices import TorchMatrices

# Elements in a row of the matrix. A sum over such rows, then one over the rows of a weight, is
# nearly as exact as a pairwise sum, and few zeros fill the last row of a weight.
WIDTH = 256


class Places:
    """Which weight each row of a matrix belongs to: what sums over weights need to know.

    A few operations on a matrix are far cheaper than a few on each weight of a deep network.

    Args:
        rows: number of rows of each weight [W].
        owner: the number of the weight of each row [rows].
        sizes: number of elements of each weight [W], float32.
    """

    def __init__(self, rows: Any, owner: Any, sizes: Any) -> None:
        self.rows, self.owner, self.sizes = rows, owner, sizes

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

    def are_exact(self, squares: Any) -> Any:
        """Whether these sums of squares, `[W, several]`, lost nothing to the range of float32."""
        means = squares / self.sizes[:, None]
        return ops.all((means > 1e-30) & (means < 1e30))

    def largest(self, x: Any) -> Any:
        """The largest absolute value of each weight, `[W]`."""
        of_rows = ops.maximum(ops.max(x, axis=-1), -ops.min(x, axis=-1))
        return self._of_weights(of_rows, "max")

    def count(self, marked: Any) -> Any:
        """The number of each weight's elements that booleans `[rows, WIDTH]` mark, `[W]`."""
        return self.sum(ops.cast(marked, "float32"))

    def share(self, count: Any, of_zero: bool = False) -> Any:
        """The share of each weight's elements that were counted, `[W]`.

        Args:
            count: their number, `[W]`.
            of_zero: whether the zeros that fill the rows were counted, too.
        """
        if of_zero:
            filling = ops.cast(self.rows * WIDTH, "float32") - self.sizes
            count = ops.subtract(count, filling)
        # A compiler may multiply by 1 / size instead of dividing.
        whole = ops.equal(count, self.sizes)
        return ops.where(whole, 1.0, ops.divide(count, self.sizes))

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


class Layout(Places):
    """How a matrix `[rows, WIDTH]` holds the elements of W weights, each from the start of a row.

    Args:
        shapes: of the weights.
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]]) -> None:
        sizes = np.array([prod(shape) for shape in shapes], int)
        rows = -(-sizes // WIDTH)
        self._torch_matrices = TorchMatrices(shapes, rows, WIDTH)
        self._parts = list(zip(sizes.tolist(), (rows * WIDTH - sizes).tolist(), strict=True))
        owner = np.repeat(np.arange(len(shapes)), rows).astype("int32")
        super().__init__(*map(_constant, (rows, owner, sizes.astype("float32"))))

    @property
    def weights(self) -> int:
        """The number of weights, W."""
        return len(self._parts)

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of the matrix."""
        return len(self.owner), WIDTH

    def join(self, tensors: Mapping[int, Any], dtype: str, use: str) -> Any:
        """The matrix of some tensors.

        Args:
            tensors: the tensors by the number of their weight; missing ones become zeros.
            dtype: of the matrix.
            use: a name. On PyTorch the next matrix of the same name overwrites this one.
        """
        if keras.backend.backend() == "torch":
            return self._torch_matrices.filled(use, tensors, dtype)
        flat = dict(zip(tensors, _flattened(list(tensors.values()), dtype), strict=True))
        zeros = cache(lambda count: ops.zeros((count,), dtype))
        parts = []
        for weight, (size, filling) in enumerate(self._parts):
            parts.append(flat[weight] if weight in flat else zeros(size))
            if filling:
                parts.append(zeros(filling))
        return ops.reshape(ops.concatenate(parts), self.shape)


def _flattened(tensors: Sequence[Any], dtype: str) -> list:
    values = [dense(t.value if isinstance(t, keras.Variable) else t) for t in tensors]
    if keras.backend.backend() != "tensorflow":
        return [ops.ravel(ops.cast(value, dtype)) for value in values]
    import tensorflow as tf

    # One constant for all: a trace takes as long as it has operations.
    flat = tf.constant([-1])
    return [tf.reshape(tf.cast(value, dtype), flat) for value in values]


def _squares_of_rows(x: Any) -> Any:
    """The sum of squares of each row, in one pass without a matrix of squares."""
    backend = keras.backend.backend()
    # XLA, also that of JAX, needs no operation for that, and has none.
    if backend == "tensorflow" and not in_xla():
        import tensorflow as tf

        return tf.square(tf.math.reduce_euclidean_norm(x, axis=-1))
    if backend == "torch":
        import torch

        return torch.linalg.vector_norm(x, dim=-1) ** 2
    return ops.sum(ops.square(x), axis=-1)


def _constant(array: np.ndarray) -> Any:
    """An array for the steps: on PyTorch on the device, elsewhere compiled in."""
    return ops.convert_to_tensor(array) if keras.backend.backend() == "torch" else array
