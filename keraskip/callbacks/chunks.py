"""All recorded weights as one matrix, so that a few operations measure all of them."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import keras
import numpy as np
from keras import ops

from keraskip.callbacks.optimizers import dense

# Elements in a row of the matrix. One sum over such rows and then one over the rows of a weight are
# nearly as exact as in pairs, and the zeros that fill the rows are few.
WIDTH = 256


class Chunks:
    """The elements of W weights in `[rows, WIDTH]`, each weight from the start of a row.

    A few operations on this matrix are far cheaper than a few on each weight of a deep network.

    Args:
        shapes: of the weights.
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]]) -> None:
        sizes = np.array([prod(shape) for shape in shapes], int)
        rows = -(-sizes // WIDTH)
        self._parts = list(zip(sizes.tolist(), (rows * WIDTH - sizes).tolist(), strict=True))
        self._sizes = _constant(sizes.astype("float32"))
        self._filling = _constant((rows * WIDTH - sizes).astype("float32"))
        self._owner = _constant(np.repeat(np.arange(len(shapes)), rows).astype("int32"))

    @property
    def weights(self) -> int:
        """Their number, W."""
        return len(self._parts)

    @property
    def shape(self) -> tuple[int, int]:
        """Of the matrix."""
        return len(self._owner), WIDTH

    def join(self, tensors: Mapping[int, Any], dtype: str) -> Any:
        """The matrix of tensors by the number of their weight, with zeros for missing ones."""
        parts = []
        for weight, (size, zeros) in enumerate(self._parts):
            if weight in tensors:
                tensor = dense(ops.convert_to_tensor(tensors[weight]))
                parts.append(ops.reshape(ops.cast(tensor, dtype), [-1]))
            else:
                zeros += size
            if zeros:
                parts.append(ops.zeros((zeros,), dtype))
        return ops.reshape(ops.concatenate(parts), self.shape)

    def sum(self, x: Any) -> Any:
        """Of each weight's elements, `[W]`."""
        return ops.segment_sum(ops.sum(x, axis=-1), self._owner, self.weights)

    def max(self, x: Any) -> Any:
        """Of each weight's elements, `[W]`, and of 0."""
        largest = ops.max(x, axis=-1)
        return ops.segment_max(largest, self._owner, self.weights)

    def share(self, these: Any, of_zero: bool = False) -> Any:
        """The share of each weight's elements that are marked, `[W]`.

        Args:
            these: booleans `[rows, WIDTH]`.
            of_zero: whether they mark the zeros that fill the rows.
        """
        count = self.sum(ops.cast(these, "float32"))
        if of_zero:
            count = ops.subtract(count, self._filling)
        # A compiler may multiply by 1 / size instead of dividing.
        whole = ops.equal(count, self._sizes)
        return ops.where(whole, 1.0, ops.divide(count, self._sizes))

    def spread(self, values: Any) -> Any:
        """`[W]` as `[rows, 1]`."""
        return ops.take(values, self._owner, axis=0)[:, None]


def _constant(array: np.ndarray) -> Any:
    """An array where the steps need it: on PyTorch on the device, else it is compiled in."""
    return ops.convert_to_tensor(array) if keras.backend.backend() == "torch" else array
