"""PyTorch only: the matrices of `step/matrix.py`, in memory that stays."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops


class TorchMatrices:
    """PyTorch only: matrices that stay from step to step, with a view for each weight.

    Tensors are copied into the views. Fresh memory for each matrix, and flattening each tensor,
    would take several times as long.

    Args:
        shapes: of the weights.
        rows: number of rows of each weight.
        width: number of elements in a row.
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]], rows: np.ndarray, width: int) -> None:
        self._shapes, self._width = shapes, width
        self._rows = rows.tolist()
        self._kept: dict[tuple, tuple[Any, list]] = {}

    def filled(self, use: str, tensors: Mapping[int, Any], dtype: str) -> Any:
        """See `Layout.join`."""
        import torch

        values = [
            tensor.value if isinstance(tensor, keras.Variable) else tensor
            for tensor in tensors.values()
        ]
        device = (values[0] if values else ops.zeros(())).device
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
            matrix = torch.zeros((sum(self._rows), self._width), dtype=dtype, device=device)
            parts = [rows.flatten() for rows in matrix.split(self._rows)]
            views = [
                part[: shape.numel()].view(shape)
                for part, shape in zip(parts, map(torch.Size, self._shapes), strict=True)
            ]
            self._kept[key] = matrix, views
        return self._kept[key]
