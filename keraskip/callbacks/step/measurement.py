"""Makes the row of one training step: the statistics of every recorded weight."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
from keras import ops

from keraskip.callbacks.columns import STATISTICS, columns_of
from keraskip.callbacks.step import optimizers
from keraskip.callbacks.step.division import Division, Parts

KINDS = ("raw", "effective")


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
        self._statistics = tuple(statistics)
        self._division = Division(variables, statistics)
        self.shape = len(variables), len(columns_of(statistics))

    @property
    def variables(self) -> list[keras.Variable]:
        """The variables that the measurement keeps from step to step."""
        members = self._division.parts(frozenset()).members
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
        sparse = frozenset(
            id(variables[index]) for index, grad in measured.items() if optimizers.is_sparse(grad)
        )
        parts = self._division.parts(sparse)
        views = [member.before(variables, measured, values) for member in parts.members]
        return SeenStep(parts, views, scalars, updating)

    def row(self, seen: SeenStep, variables: Sequence[keras.Variable]) -> Any:
        """The statistics after the step, with NaN for weights that got no gradient."""
        # An effective gradient exists only where there is an update.
        exist = seen.updating if self._kind == "effective" else True
        tables = [
            member.table(view, variables, seen.updating, exist)
            for member, view in zip(seen.parts.members, seen.views, strict=True)
        ]
        table = tables[0] if len(tables) == 1 else ops.concatenate(tables)
        order = seen.parts.order
        return table if order is None else ops.take(table, order, axis=0)

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
