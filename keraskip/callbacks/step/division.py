"""Divides the weights among those who measure them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from keraskip.callbacks.columns import STATISTICS
from keraskip.callbacks.step.apart import are_apart
from keraskip.callbacks.step.sparse_rows import SparseRows
from keraskip.callbacks.step.statistics import JoinedWeights


class Parts(NamedTuple):
    """The weights, divided.

    Attributes:
        members: they who measure, each some of the weights.
        order: puts their tables, one below the other, into the order of the row; None where
            they are in it.
    """

    members: list[Any]
    order: np.ndarray | None


class Division:
    """Divides the weights: most are joined, and some measured by themselves.

    Args:
        weights: the weights, in the order of the row.
        statistics: names from `keraskip.callbacks.columns`.
    """

    def __init__(self, weights: Sequence[keras.Variable], statistics: Sequence[str]) -> None:
        self._weights, self._statistics = list(weights), tuple(statistics)
        # All other statistics need a matrix.
        usual = keras.backend.backend() == "tensorflow" and self._statistics == STATISTICS
        self._apart = are_apart(self._weights) if usual else [False] * len(self._weights)
        self._by_rows: dict[int, SparseRows] = {}
        self._parts: dict[frozenset[int], Parts] = {}

    def parts(self, sparse: frozenset[int]) -> Parts:
        """The parts where the gradients of some weights, by the weight's `id`, are sparse."""
        if sparse not in self._parts:
            self._parts[sparse] = self._divided(sparse)
        return self._parts[sparse]

    def _divided(self, sparse: frozenset[int]) -> Parts:
        every = range(len(self._weights))
        by_rows = [row for row in every if id(self._weights[row]) in sparse]
        rest = [row for row in every if row not in by_rows]
        apart = [row for row in rest if self._apart[row]]
        rest = apart + [row for row in rest if row not in apart]
        members: list[Any] = [self._measured_by_rows(row) for row in by_rows]
        if rest or not by_rows:
            weights = [self._weights[row] for row in rest]
            members.append(JoinedWeights(weights, self._statistics, len(apart)))
        rows = [*by_rows, *rest]
        return Parts(members, None if rows == sorted(rows) else np.argsort(rows))

    def _measured_by_rows(self, row: int) -> SparseRows:
        """Who measures a weight by its rows; the same one in each step."""
        if row not in self._by_rows:
            self._by_rows[row] = SparseRows([self._weights[row]])
        return self._by_rows[row]
