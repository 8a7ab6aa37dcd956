"""Weights joined into matrices, so that a few operations measure all of them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keraskip.callbacks.columns import columns_of
from keraskip.callbacks.step import optimizers
from keraskip.callbacks.step.earlier_gradients import EarlierGradients
from keraskip.callbacks.step.matrix import Layout
from keraskip.callbacks.step.statistics import measure


class SeenJoined(NamedTuple):
    """A view of joined weights before a step.

    Attributes:
        indices: for each weight with a gradient, by its row, its index in the optimizer.
        gradient: matrix of the gradients.
        weights: matrix of the weights.
    """

    indices: dict[int, int]
    gradient: Any
    weights: Any


class JoinedWeights:
    """Weights joined into matrices, so that a few operations measure all of them.

    Args:
        variables: the weights, of any kind, in the order of the rows.
        statistics: names from `keraskip.callbacks.columns`.
    """

    def __init__(self, variables: Sequence[keras.Variable], statistics: Sequence[str]) -> None:
        self._row_of = {id(variable): row for row, variable in enumerate(variables)}
        # Weights of several types go into one matrix, with all their digits.
        precise = any(variable.dtype == "float64" for variable in variables)
        self._dtype = "float64" if precise else "float32"
        self._statistics = tuple(statistics)
        self._layout = Layout([tuple(variable.shape) for variable in variables])
        self._earlier = EarlierGradients(self._layout, statistics)

    @property
    def variables(self) -> list[keras.Variable]:
        """The variables that are kept from step to step."""
        return self._earlier.variables

    def before(
        self, variables: Sequence[keras.Variable], grads: Mapping[int, Any], values: Sequence[Any]
    ) -> SeenJoined:
        """A view before the optimizer's step; nothing later can change it.

        Args:
            variables: the optimizer's.
            grads: the gradients to measure by the index of their variable.
            values: the values of the variables.
        """
        indices = optimizers.indices_by_row(self._row_of, variables, grads)
        by_row = {row: grads[index] for row, index in indices.items()}
        gradient = self._layout.join(by_row, "float32", "gradient")
        by_row = {row: values[index] for row, index in indices.items()}
        return SeenJoined(indices, gradient, self._layout.join(by_row, self._dtype, "before"))

    def handed_on(self, seen: SeenJoined, grads: Sequence[Any]) -> Sequence[Any]:
        """The gradients for the optimizer, unchanged: the matrix is a copy."""
        return grads

    def table(
        self, seen: SeenJoined, variables: Sequence[keras.Variable], updated: Any, exist: Any = True
    ) -> Any:
        """The statistics after the step, with NaN for weights that got no gradient.

        Args:
            seen: the view that `before` returned.
            variables: the optimizer's.
            updated: whether the step changed the weights.
            exist: False while gradients are only being accumulated; the table is then NaN.
        """
        by_row = {row: variables[index] for row, index in seen.indices.items()}
        after = self._layout.join(by_row, self._dtype, "after")
        columns = measure(
            self._layout, seen.gradient, seen.weights, after, updated, self._statistics
        )
        given: Any = True
        if len(seen.indices) < len(self._row_of):
            given = np.isin(np.arange(len(self._row_of)), list(seen.indices))
        if exist is not True:
            given = ops.logical_and(given, exist)
        columns |= self._earlier.compare(seen.gradient, given)
        table = ops.stack([columns[name] for name in columns_of(self._statistics)], axis=-1)
        if given is True:
            return table
        return ops.where(ops.reshape(given, (-1, 1)), table, float("nan"))
