"""All recorded weights as one matrix, so that a few operations measure all of them."""

from collections.abc import Mapping, Sequence
from functools import cache
from math import prod
from typing import Any

import keras
import numpy as np
from keras import ops

from keraskip.callbacks.step.optimizers import dense
from keraskip.callbacks.step.places import WIDTH, Places
from keraskip.callbacks.step.torch_matrices import TorchMatrices


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


def value_of(tensor: Any) -> Any:
    """The value of a variable, or a gradient as one tensor."""
    return dense(tensor.value if isinstance(tensor, keras.Variable) else tensor)


def _flattened(tensors: Sequence[Any], dtype: str) -> list:
    values = [value_of(tensor) for tensor in tensors]
    if keras.backend.backend() != "tensorflow":
        return [ops.ravel(ops.cast(value, dtype)) for value in values]
    import tensorflow as tf

    # One constant for all: a trace takes as long as it has operations.
    flat = tf.constant([-1])
    return [tf.reshape(tf.cast(value, dtype), flat) for value in values]


def _constant(array: np.ndarray) -> Any:
    """An array for the steps: on PyTorch on the device, elsewhere compiled in."""
    return ops.convert_to_tensor(array) if keras.backend.backend() == "torch" else array
