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
        self.rows = 0

    def add(self, block: Block) -> None:
        """Copies the numbers of batches behind the ones before."""
        begin, self.rows = self.rows, self.rows + block.rows
        for number, array in self._arrays.items():
            numbers = block.columns[str(number)]
            array[begin : self.rows].reshape(numbers.shape)[...] = numbers

    def column(self, number: int) -> np.ndarray:
        """The column with this number; it cannot be changed."""
        column = self._arrays[number][: self.rows]
        column.setflags(write=False)
        return column


def _empty(shape: tuple[int, ...], kind: np.dtype) -> np.ndarray:
    """Arrow's memory is used again, and so takes less time than the system's."""
    size = math.prod(shape) * kind.itemsize
    return np.ndarray(shape, kind, pa.allocate_buffer(size, resizable=True))
