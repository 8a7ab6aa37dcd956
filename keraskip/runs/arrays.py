"""The columns of a run as arrays, filled while its file is read."""

import math

import numpy as np
import pyarrow as pa

from keraskip.runs.layouts import numbers_of
from keraskip.runs.stream import Block


class Arrays:
    """The columns of a run.

    Args:
        schema: the columns.
        size: of the file, in bytes.

    Attributes:
        rows: the number of steps so far.
    """

    def __init__(self, schema: pa.Schema, size: int) -> None:
        kinds = numbers_of(schema)
        most = size // max(1, sum(kind.itemsize for kind in kinds.values()))
        self._arrays = {number: _empty((most, *k.shape), k.base) for number, k in kinds.items()}
        self._blocks: list[Block] = []
        self.rows = self._copied = 0

    def add(self, block: Block) -> None:
        """Adds a batch, which must stay as it is until `copy`."""
        self._blocks.append(block)
        self.rows += block.rows

    def copy(self) -> None:
        """Copies the batches that were added since."""
        for number, array in self._arrays.items():
            if self._blocks:
                parts = [block.columns[str(number)] for block in self._blocks]
                np.concatenate(parts, out=array[self._copied : self.rows])
        self._blocks, self._copied = [], self.rows

    def column(self, number: int) -> np.ndarray:
        """What was copied of the column with this number; it cannot be changed."""
        column = self._arrays[number][: self._copied]
        column.setflags(write=False)
        return column


def _empty(shape: tuple[int, ...], kind: np.dtype) -> np.ndarray:
    """Arrow's memory is used again, and so takes less time than the system's."""
    size = math.prod(shape) * kind.itemsize
    return np.ndarray(shape, kind, pa.allocate_buffer(size, resizable=True))
