"""All recorded weights as one matrix, so that a few operations measure all of them."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import keras
import numpy as np
from keras import ops

from keraskip.callbacks.optimizers import dense
from keraskip.callbacks.torch_matrices import TorchMatrices

# Elements in a row of the matrix. One sum over such rows and then one over the rows of a weight are
# nearly as exact as in pairs, and the zeros that fill the rows are few.
WIDTH = 256


class Chunks:
    """The elements of W weights in `[rows, WIDTH]`, each weight from the start of a row.

    A few operations on this matrix are far cheaper than a few on each weight of a deep network.

    Args:
        shapes: of the weights.

    Attributes:
        sizes: how many elements each weight has [W].
        rows: how many rows each weight takes [W].
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]]) -> None:
        sizes = np.array([prod(shape) for shape in shapes], int)
        rows = -(-sizes // WIDTH)
        self._kept = TorchMatrices(shapes, rows, WIDTH)
        self._parts = list(zip(sizes.tolist(), (rows * WIDTH - sizes).tolist(), strict=True))
        self.sizes = _constant(sizes.astype("float32"))
        self._filling = _constant((rows * WIDTH - sizes).astype("float32"))
        self.rows = _constant(rows)
        self._owner = _constant(np.repeat(np.arange(len(shapes)), rows).astype("int32"))

    @property
    def weights(self) -> int:
        """Their number, W."""
        return len(self._parts)

    @property
    def shape(self) -> tuple[int, int]:
        """Of the matrix."""
        return len(self._owner), WIDTH

    def join(self, tensors: Mapping[int, Any], dtype: str, use: str) -> Any:
        """The matrix of tensors by the number of their weight, with zeros for missing ones.

        On PyTorch it holds until the next one of the same use is joined.
        """
        if keras.backend.backend() == "torch":
            return self._kept.filled(use, tensors, dtype)
        parts = []
        for weight, (size, zeros) in enumerate(self._parts):
            if weight in tensors:
                parts.append(_flat(tensors[weight], dtype))
            else:
                zeros += size
            if zeros:
                parts.append(ops.zeros((zeros,), dtype))
        return ops.reshape(ops.concatenate(parts), self.shape)

    def sum(self, x: Any) -> Any:
        """Of each weight's elements, `[W]`."""
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

    def count(self, these: Any) -> Any:
        """How many of each weight's elements are marked by booleans `[rows, WIDTH]`; `[W]`."""
        return self.sum(ops.cast(these, "float32"))

    def share(self, count: Any, of_zero: bool = False) -> Any:
        """The share of each weight's elements that were counted, `[W]`.

        Args:
            count: how many of them, `[W]`.
            of_zero: whether the zeros that fill the rows were counted, too.
        """
        if of_zero:
            count = ops.subtract(count, self._filling)
        # A compiler may multiply by 1 / size instead of dividing.
        whole = ops.equal(count, self.sizes)
        return ops.where(whole, 1.0, ops.divide(count, self.sizes))

    def _of_weights(self, of_rows: Any, how: str) -> Any:
        """`"sum"` or `"max"` of each weight's rows."""
        if keras.backend.backend() == "torch":
            import torch

            # Keras' way takes ten times as long.
            return torch.segment_reduce(of_rows, how, lengths=self.rows, axis=0)
        reduce = ops.segment_sum if how == "sum" else ops.segment_max
        return reduce(of_rows, self._owner, self.weights)

    def spread(self, values: Any) -> Any:
        """`[W]` as `[rows, 1]`."""
        return ops.take(values, self._owner, axis=0)[:, None]


def _flat(tensor: Any, dtype: str) -> Any:
    if isinstance(tensor, keras.Variable):
        tensor = tensor.value
    return ops.ravel(ops.cast(dense(tensor), dtype))


def _squares_of_rows(x: Any) -> Any:
    if keras.backend.backend() != "torch":
        return ops.sum(ops.square(x), axis=-1)
    import torch

    # In one pass, without a matrix of squares.
    return torch.linalg.vector_norm(x, dim=-1) ** 2


def _constant(array: np.ndarray) -> Any:
    """An array where the steps need it: on PyTorch on the device, else it is compiled in."""
    return ops.convert_to_tensor(array) if keras.backend.backend() == "torch" else array
