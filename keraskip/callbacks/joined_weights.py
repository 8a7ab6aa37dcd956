"""Weights that are joined into matrices, and so measured by a few operations."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keraskip.callbacks.chunks import Chunks
from keraskip.callbacks.memory import Memory
from keraskip.callbacks.statistics import columns_of, measure


class SeenJoined(NamedTuple):
    """What was seen of weights before a step.

    Attributes:
        places: for each of them that has a gradient, by its row, the place among the optimizer's
            variables.
        gradient: matrix of the gradients, see `Chunks`.
        weights: matrix of the weights.
    """

    places: dict[int, int]
    gradient: Any
    weights: Any


class JoinedWeights:
    """Weights of any kind, and any statistics.

    Args:
        variables: the weights, in the order of the rows.
        statistics: names from `keraskip.callbacks.statistics`.
    """

    def __init__(self, variables: Sequence[keras.Variable], statistics: Sequence[str]) -> None:
        self._row_of = {id(variable): row for row, variable in enumerate(variables)}
        # So that weights of several types can be in one matrix, with all their digits.
        precise = any(variable.dtype == "float64" for variable in variables)
        self._dtype = "float64" if precise else "float32"
        self._statistics = tuple(statistics)
        self._chunks = Chunks([tuple(variable.shape) for variable in variables])
        self._memory = Memory(self._chunks, statistics)

    @property
    def variables(self) -> list[keras.Variable]:
        """What is kept from step to step."""
        return self._memory.variables

    def before(
        self, variables: Sequence[keras.Variable], grads: Mapping[int, Any], values: Sequence[Any]
    ) -> SeenJoined:
        """What there is to see before the optimizer's step; nothing later can change it.

        Args:
            variables: those of the optimizer.
            grads: the gradients to measure by the place of their variable.
            values: of the variables.
        """
        places = places_of(self._row_of, variables, grads)
        own = {row: grads[place] for row, place in places.items()}
        gradient = self._chunks.join(own, "float32", "gradient")
        own = {row: values[place] for row, place in places.items()}
        return SeenJoined(places, gradient, self._chunks.join(own, self._dtype, "before"))

    def handed_on(self, seen: SeenJoined, grads: Sequence[Any]) -> Sequence[Any]:
        """The gradients for the optimizer, as they are: this has copies of its own."""
        return grads

    def table(
        self, seen: SeenJoined, variables: Sequence[keras.Variable], updated: Any, exist: Any = True
    ) -> Any:
        """The statistics after the step, with NaN for weights that got no gradient.

        Args:
            seen: what `before` returned.
            variables: those of the optimizer.
            updated: whether the step changed the weights.
            exist: whether the gradients are more than numbers on the way to one.
        """
        after = {row: variables[place] for row, place in seen.places.items()}
        new = self._chunks.join(after, self._dtype, "after")
        known = measure(self._chunks, seen.gradient, seen.weights, new, updated, self._statistics)
        given: Any = True
        if len(seen.places) < len(self._row_of):
            given = np.isin(np.arange(len(self._row_of)), list(seen.places))
        if exist is not True:
            given = ops.logical_and(given, exist)
        known |= self._memory.compare(seen.gradient, given)
        table = ops.stack([known[column] for column in columns_of(self._statistics)], axis=-1)
        if given is True:
            return table
        return ops.where(ops.reshape(given, (-1, 1)), table, float("nan"))


def places_of(
    row_of: Mapping[int, int], variables: Sequence[keras.Variable], grads: Mapping[int, Any]
) -> dict[int, int]:
    """For each weight that has a gradient, by its row, the place of it among the variables.

    Args:
        row_of: the rows by the `id` of the weight.
        variables: those of the optimizer.
        grads: the gradients by the place of their variable.
    """
    places = {row_of[id(variables[p])]: p for p in grads if id(variables[p]) in row_of}
    return dict(sorted(places.items()))
