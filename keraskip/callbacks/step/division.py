"""Divides the weights among those who measure them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from keraskip.callbacks.columns import STATISTICS
from keraskip.callbacks.step.large_weight import LargeWeight, are_large
from keraskip.callbacks.step.sparse_rows import SparseRows
from keraskip.callbacks.step.statistics import JoinedWeights


class Parts(NamedTuple):
    """The weights, divided.

    Attributes:
        members: they who measure, each some of the weights.
        order: puts their tables, one below the other, into the order of the row.
    """

    members: list[Any]
    order: np.ndarray


class Division:
    """Divides the weights: most are joined, and some measured by themselves.

    Args:
        weights: the weights, in the order of the row.
        statistics: names from `keraskip.callbacks.columns`.
    """

    def __init__(self, weights: Sequence[keras.Variable], statistics: Sequence[str]) -> None:
        self._weights, self._statistics = list(weights), tuple(statistics)
        # All other statistics need matrices.
        usual = keras.backend.backend() == "tensorflow" and self._statistics == STATISTICS
        self._are_large = are_large(self._weights) if usual else [False] * len(self._weights)
        self._alone: dict[tuple, LargeWeight | SparseRows] = {}
        self._parts: dict[frozenset[int], Parts] = {}

    def parts(self, sparse: frozenset[int]) -> Parts:
        """The parts where the gradients of some weights, by the weight's `id`, are sparse."""
        if sparse not in self._parts:
            self._parts[sparse] = self._divided(sparse)
        return self._parts[sparse]

    def _divided(self, sparse: frozenset[int]) -> Parts:
        rows, members = [], []
        for row, weight in enumerate(self._weights):
            if id(weight) in sparse or self._are_large[row]:
                rows.append([row])
                members.append(self._by_itself(row, id(weight) in sparse))
        rest = [row for row in range(len(self._weights)) if [row] not in rows]
        if rest or not rows:
            weights = [self._weights[row] for row in rest]
            members.append(JoinedWeights(weights, self._statistics))
            rows.append(rest)
        return Parts(members, np.argsort(np.concatenate(rows)))

    def _by_itself(self, row: int, is_sparse: bool) -> Any:
        """Who measures one weight; the same one in each step."""
        kind: Any = SparseRows if is_sparse else LargeWeight
        if (row, kind) not in self._alone:
            self._alone[row, kind] = kind([self._weights[row]])
        return self._alone[row, kind]
