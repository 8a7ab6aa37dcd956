"""Makes the row of one training step: the statistics of every recorded weight."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keraskip.callbacks import optimizers
from keraskip.callbacks.joined_weights import JoinedWeights
from keraskip.callbacks.large_weights import LargeWeights, groups_of_large
from keraskip.callbacks.statistics import STATISTICS, columns_of

KINDS = ("raw", "effective")
SCALARS = ("loss_scale", "clip_factor")


class SeenStep(NamedTuple):
    """What was seen before a step.

    Attributes:
        parts: what each part saw.
        scalars: the values of `SCALARS`.
        updating: whether the step will change the weights.
    """

    parts: list[Any]
    scalars: Any
    updating: Any


class Measurement:
    """What to measure of which weights.

    Args:
        variables: the weights, in the order of the row.
        statistics: names from `keraskip.callbacks.statistics`.
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
        # Of the parts' tables, one after the other, the place of each row.
        self._order = np.argsort(np.concatenate([rows for _, rows in parts]))
        self.shape = len(variables), len(columns_of(statistics))

    @property
    def variables(self) -> list[keras.Variable]:
        """What the measurement keeps from step to step."""
        return [variable for part in self._parts for variable in part.variables]

    def before(
        self,
        optimizer: keras.optimizers.Optimizer,
        grads: Sequence[Any],
        variables: Sequence[keras.Variable],
        values: Sequence[Any],
    ) -> SeenStep:
        """What there is to see before the optimizer's step; nothing later can change it.

        Args:
            optimizer: the optimizer, with the state that it has before the step.
            grads: what it is about to get.
            variables: those that the gradients are of.
            values: of the variables.
        """
        found, scalars, updating = self._gradients(optimizer, grads, variables)
        seen = [part.before(variables, found, values) for part in self._parts]
        return SeenStep(seen, scalars, updating)

    def handed_on(self, seen: SeenStep, grads: Sequence[Any]) -> Sequence[Any]:
        """The same gradients, for the optimizer."""
        for part, its in zip(self._parts, seen.parts, strict=True):
            grads = part.handed_on(its, grads)
        return grads

    def row(self, seen: SeenStep, variables: Sequence[keras.Variable]) -> Any:
        """The statistics after the step, with NaN for weights that got no gradient."""
        # An effective gradient exists only where there is an update.
        exist = seen.updating if self._kind == "effective" else True
        tables = [
            part.table(its, variables, seen.updating, exist)
            for part, its in zip(self._parts, seen.parts, strict=True)
        ]
        if len(tables) == 1:
            return tables[0]
        return ops.take(ops.concatenate(tables), self._order, axis=0)

    def _gradients(
        self, optimizer: keras.optimizers.Optimizer, grads: Sequence[Any], variables: Sequence[Any]
    ) -> tuple[dict[int, Any], Any, Any]:
        """The gradients to measure by their index, the values of `SCALARS`, and whether the
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
        scalars = ops.stack(
            [
                ops.cast(1.0 if scale is None else scale, "float32"),
                ops.cast(ops.where(updating, factor, float("nan")), "float32"),
            ]
        )
        return dict(zip(given, optimizers.of_whole_batch(wanted), strict=True)), scalars, updating


def _total_norm(grads: list) -> Any:
    return ops.sqrt(sum(ops.sum(ops.square(ops.cast(grad, "float32"))) for grad in grads))


def _parts(
    variables: Sequence[keras.Variable], statistics: Sequence[str]
) -> list[tuple[JoinedWeights | LargeWeights, list[int]]]:
    """How weights are measured, and the rows of which."""
    groups = []
    # All other statistics are those of matrices.
    if keras.backend.backend() == "tensorflow" and tuple(statistics) == STATISTICS:
        groups = groups_of_large(variables)
    large = {row for group in groups for row in group}
    rest = [row for row in range(len(variables)) if row not in large]
    parts: list = [(LargeWeights([variables[row] for row in group]), group) for group in groups]
    if rest or not groups:
        parts.append((JoinedWeights([variables[row] for row in rest], statistics), rest))
    return parts
