"""Makes the row of one training step: the statistics of every recorded weight."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keraskip.callbacks.columns import STATISTICS, columns_of
from keraskip.callbacks.step import optimizers
from keraskip.callbacks.step.earlier_gradients import EarlierGradients
from keraskip.callbacks.step.large_weights import LargeWeights, groups_of_large
from keraskip.callbacks.step.matrix import Layout
from keraskip.callbacks.step.statistics import measure

KINDS = ("raw", "effective")


class SeenStep(NamedTuple):
    """A view of gradients and weights before a step.

    Attributes:
        parts: the view of each part of the measurement.
        scalars: the scale of the loss, the factor by which the optimizer clips, and its rate.
        updating: whether the step will change the weights.
    """

    parts: list[Any]
    scalars: list[Any]
    updating: Any


class Measurement:
    """The statistics to measure, and the weights.

    Args:
        variables: the weights, in the order of the row.
        statistics: names from `keraskip.callbacks.columns`.
        kind: which gradients, a member of `KINDS`.

    Attributes:
        shape: of a row, weights and columns.
    """

    def __init__(
        self, variables: Sequence[keras.Variable], statistics: Sequence[str], kind: str
    ) -> None:
        self._kind = kind
        parts = _parts(variables, statistics)
        self._parts = [part for part, _ in parts]
        # The tables of the parts, one below the other, are put into the order of the row.
        self._order = np.argsort(np.concatenate([rows for _, rows in parts]))
        self.shape = len(variables), len(columns_of(statistics))

    @property
    def variables(self) -> list[keras.Variable]:
        """The variables that the measurement keeps from step to step."""
        return [variable for part in self._parts for variable in part.variables]

    def before(
        self,
        optimizer: keras.optimizers.Optimizer,
        grads: Sequence[Any],
        variables: Sequence[keras.Variable],
        values: Sequence[Any],
    ) -> SeenStep:
        """A view before the optimizer's step; nothing later can change it.

        Args:
            optimizer: the optimizer, in its state before the step.
            grads: the gradients that it is about to get.
            variables: the variables of the gradients.
            values: the values of the variables.
        """
        measured, scalars, updating = self._gradients(optimizer, grads, variables)
        parts = [part.before(variables, measured, values) for part in self._parts]
        return SeenStep(parts, scalars, updating)

    def handed_on(self, seen: SeenStep, grads: Sequence[Any]) -> Sequence[Any]:
        """The same gradients, for the optimizer."""
        for part, part_seen in zip(self._parts, seen.parts, strict=True):
            grads = part.handed_on(part_seen, grads)
        return grads

    def row(self, seen: SeenStep, variables: Sequence[keras.Variable]) -> Any:
        """The statistics after the step, with NaN for weights that got no gradient."""
        # An effective gradient exists only where there is an update.
        exist = seen.updating if self._kind == "effective" else True
        tables = [
            part.table(part_seen, variables, seen.updating, exist)
            for part, part_seen in zip(self._parts, seen.parts, strict=True)
        ]
        if len(tables) == 1:
            return tables[0]
        return ops.take(ops.concatenate(tables), self._order, axis=0)

    def _gradients(
        self, optimizer: keras.optimizers.Optimizer, grads: Sequence[Any], variables: Sequence[Any]
    ) -> tuple[dict[int, Any], list[Any], Any]:
        """The gradients to measure by their index, scalars as in `SeenStep`, and whether the
        optimizer is about to change the weights.
        """
        scale, updating = optimizers.loss_scale(optimizer), optimizers.is_updating(optimizer)
        given = [index for index, grad in enumerate(grads) if grad is not None]
        raw = optimizers.aside(optimizer, [grads[index] for index in given])
        if scale is not None:
            raw = [ops.divide(grad, scale) for grad in raw]
        mean = optimizers.accumulated(optimizer, raw, [variables[index] for index in given])
        # Before the rows of an embedding's gradient are summed, as the optimizer does it.
        effective, factor = optimizers.clipped(optimizer, mean), 1.0
        wanted = effective if self._kind == "effective" else raw
        if effective is not mean:
            norms = [_total_norm(optimizers.of_whole_batch(each)) for each in (effective, mean)]
            factor = ops.where(norms[1] == 0, 1.0, norms[0] / norms[1])
        factor = ops.where(updating, factor, float("nan"))
        rate = optimizers.learning_rate(optimizer)
        scalars = [1.0 if scale is None else scale, factor, rate]
        return dict(zip(given, optimizers.of_whole_batch(wanted), strict=True)), scalars, updating


def _total_norm(grads: list) -> Any:
    return ops.sqrt(sum(ops.sum(ops.square(ops.cast(grad, "float32"))) for grad in grads))


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


def _parts(
    variables: Sequence[keras.Variable], statistics: Sequence[str]
) -> list[tuple[JoinedWeights | LargeWeights, list[int]]]:
    """The weights in the parts that measure them, each with its rows."""
    groups = []
    # All other statistics need matrices.
    if keras.backend.backend() == "tensorflow" and tuple(statistics) == STATISTICS:
        groups = groups_of_large(variables)
    large = {row for group in groups for row in group}
    rest = [row for row in range(len(variables)) if row not in large]
    parts: list = [(LargeWeights([variables[row] for row in group]), group) for group in groups]
    if rest or not groups:
        parts.append((JoinedWeights([variables[row] for row in rest], statistics), rest))
    return parts
