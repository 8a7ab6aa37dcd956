"""All recorded weights as one matrix, so that a few operations measure all of them."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import keras
import numpy as np
from keras import ops

from keraskip.callbacks.step.optimizers import dense

# Elements in a row of the matrix. A sum over such rows, then one over the rows of a weight, is
# nearly as exact as a pairwise sum, and few zeros fill the last row of a weight.
WIDTH = 256


class Layout:
    """How a matrix `[rows, WIDTH]` holds the elements of W weights, each from the start of a row.

    A few operations on this matrix are far cheaper than a few on each weight of a deep network.

    Args:
        shapes: of the weights.

    Attributes:
        sizes: number of elements of each weight [W].
        rows: number of rows of each weight [W].
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]]) -> None:
        sizes = np.array([prod(shape) for shape in shapes], int)
        rows = -(-sizes // WIDTH)
        self._torch_matrices = TorchMatrices(shapes, rows)
        self._parts = list(zip(sizes.tolist(), (rows * WIDTH - sizes).tolist(), strict=True))
        self.sizes = _constant(sizes.astype("float32"))
        self._filling = _constant((rows * WIDTH - sizes).astype("float32"))
        self.rows = _constant(rows)
        self._owner = _constant(np.repeat(np.arange(len(shapes)), rows).astype("int32"))

    @property
    def weights(self) -> int:
        """The number of weights, W."""
        return len(self._parts)

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of the matrix."""
        return len(self._owner), WIDTH

    def join(self, tensors: Mapping[int, Any], dtype: str, use: str) -> Any:
        """The matrix of some tensors.

        Args:
            tensors: the tensors by the number of their weight; missing ones become zeros.
            dtype: of the matrix.
            use: a name. On PyTorch the next matrix of the same name overwrites this one.
        """
        if keras.backend.backend() == "torch":
            return self._torch_matrices.filled(use, tensors, dtype)
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


class TorchMatrices:
    """PyTorch only: matrices that stay from step to step, with a view for each weight.

    Tensors are copied into the views. Fresh memory for each matrix, and flattening each tensor,
    would take several times as long.

    Args:
        shapes: of the weights.
        rows: number of rows of each weight.
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]], rows: np.ndarray) -> None:
        self._shapes = shapes
        self._rows = rows.tolist()
        self._kept: dict[tuple, tuple[Any, list]] = {}

    def filled(self, use: str, tensors: Mapping[int, Any], dtype: str) -> Any:
        """See `Layout.join`."""
        import torch

        values = [
            tensor.value if isinstance(tensor, keras.Variable) else tensor
            for tensor in tensors.values()
        ]
        device = (values[0] if values else keras.ops.zeros(())).device
        # A loop of the user's own may keep track of gradients here.
        with torch.no_grad():
            matrix, views = self._of(use, getattr(torch, dtype), device)
            for weight, view in enumerate(views):
                if weight not in tensors:
                    view.zero_()
            if values:
                torch._foreach_copy_([views[weight] for weight in tensors], values)
        return matrix

    def _of(self, use: str, dtype: Any, device: Any) -> tuple[Any, list]:
        import torch

        key = (use, dtype, device)
        if key not in self._kept:
            matrix = torch.zeros((sum(self._rows), WIDTH), dtype=dtype, device=device)
            parts = [rows.flatten() for rows in matrix.split(self._rows)]
            views = [
                part[: shape.numel()].view(shape)
                for part, shape in zip(parts, map(torch.Size, self._shapes), strict=True)
            ]
            self._kept[key] = matrix, views
        return self._kept[key]


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
    """An array for the steps: on PyTorch on the device, elsewhere compiled in."""
    return ops.convert_to_tensor(array) if keras.backend.backend() == "torch" else array
