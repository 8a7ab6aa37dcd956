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
from keraskip.callbacks.step.sparse_rows import SparseRows
from keraskip.callbacks.step.statistics import measure

KINDS = ("raw", "effective")


class Parts(NamedTuple):
    """The weights, divided among those who measure them.

    Attributes:
        members: they, each for some of the weights.
        order: puts their tables, one below the other, into the order of the row.
    """

    members: list[Any]
    order: np.ndarray


class SeenStep(NamedTuple):
    """A view of gradients and weights before a step.

    Attributes:
        parts: who measures the weights in this step.
        views: the view of each of them.
        scalars: the scale of the loss, the factor by which the optimizer clips, and its rate.
        updating: whether the step will change the weights.
    """

    parts: Parts
    views: list[Any]
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
        self._weights, self._statistics = list(variables), tuple(statistics)
        self._by_rows: dict[int, SparseRows] = {}
        self._parts = {frozenset[int](): self._divided(frozenset())}
        self.shape = len(variables), len(columns_of(statistics))

    @property
    def variables(self) -> list[keras.Variable]:
        """The variables that the measurement keeps from step to step."""
        members = self._parts[frozenset()].members
        return [variable for member in members for variable in member.variables]

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
        sparse = {
            id(variables[index]) for index, grad in measured.items() if optimizers.is_sparse(grad)
        }
        rows = frozenset(row for row, v in enumerate(self._weights) if id(v) in sparse)
        if rows not in self._parts:
            self._parts[rows] = self._divided(rows)
        parts = self._parts[rows]
        views = [member.before(variables, measured, values) for member in parts.members]
        return SeenStep(parts, views, scalars, updating)

    def handed_on(self, seen: SeenStep, grads: Sequence[Any]) -> Sequence[Any]:
        """The same gradients, for the optimizer."""
        for member, view in zip(seen.parts.members, seen.views, strict=True):
            grads = member.handed_on(view, grads)
        return grads

    def row(self, seen: SeenStep, variables: Sequence[keras.Variable]) -> Any:
        """The statistics after the step, with NaN for weights that got no gradient."""
        # An effective gradient exists only where there is an update.
        exist = seen.updating if self._kind == "effective" else True
        tables = [
            member.table(view, variables, seen.updating, exist)
            for member, view in zip(seen.parts.members, seen.views, strict=True)
        ]
        if len(tables) == 1:
            return tables[0]
        return ops.take(ops.concatenate(tables), seen.parts.order, axis=0)

    def _divided(self, sparse: frozenset[int]) -> Parts:
        """The parts where the gradients of some weights, by their rows, are sparse."""
        rows = [[row] for row in sparse]
        for row in sparse - set(self._by_rows):
            self._by_rows[row] = SparseRows([self._weights[row]])
        members: list = [self._by_rows[row] for row in sparse]
        dense = [row for row in range(len(self._weights)) if row not in sparse]
        # All other statistics need matrices.
        is_tensorflow = keras.backend.backend() == "tensorflow"
        if is_tensorflow and self._statistics == STATISTICS:
            for group in groups_of_large(self._weights, dense):
                members.append(LargeWeights([self._weights[row] for row in group]))
                rows.append(group)
        rest = sorted(set(dense) - {row for group in rows for row in group})
        if rest or not rows:
            weights = [self._weights[row] for row in rest]
            members.append(JoinedWeights(weights, self._statistics))
            rows.append(rest)
        return Parts(members, np.argsort(np.concatenate(rows)))

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
        updated = [variables[index] for index in given]
        mean = optimizers.accumulated(optimizer, raw, updated)
        # Before the rows of an embedding's gradient are summed, as the optimizer does it.
        effective, factor = optimizers.clipped(optimizer, mean), 1.0
        wanted = effective if self._kind == "effective" else raw
        by_rows = self._measured_by_rows(optimizer, effective, updated)
        if effective is not mean:
            whole = [optimizers.of_whole_batch(each, by_rows) for each in (effective, mean)]
            norms = [_total_norm(each) for each in whole]
            factor = ops.where(norms[1] == 0, 1.0, norms[0] / norms[1])
        factor = ops.where(updating, factor, float("nan"))
        rate = optimizers.learning_rate(optimizer)
        scalars = [1.0 if scale is None else scale, factor, rate]
        whole = optimizers.of_whole_batch(wanted, by_rows)
        return dict(zip(given, whole, strict=True)), scalars, updating

    def _measured_by_rows(
        self, optimizer: keras.optimizers.Optimizer, grads: list, variables: Sequence[Any]
    ) -> list[bool]:
        """Which of the gradients that the optimizer uses are measured by their rows."""
        if self._statistics != STATISTICS:
            return [False] * len(grads)
        return [
            optimizers.is_sparse(grad) and optimizers.changes_rows_only(optimizer, variable)
            for grad, variable in zip(grads, variables, strict=True)
        ]


def _total_norm(grads: list) -> Any:
    grads = [grad.values if optimizers.is_sparse(grad) else grad for grad in grads]
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
