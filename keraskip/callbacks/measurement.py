"""Makes the row of one training step: the statistics of every recorded weight."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keraskip.callbacks import optimizers
from keraskip.callbacks.memory import Memory
from keraskip.callbacks.statistics import columns_of, measure

KINDS = ("raw", "effective")
SCALARS = ("loss_scale", "clip_factor")


class Seen(NamedTuple):
    """What was seen before a step, of weights in stacks of equal shape.

    Attributes:
        members: of each stack, the indices of its G weights among the optimizer's.
        gradients: of each stack, `[G, n]`.
        weights: of each stack, `[G, n]`.
        scalars: the values of `SCALARS`.
        updating: whether the step will change the weights.
    """

    members: list[list[int]]
    gradients: list
    weights: list
    scalars: Any
    updating: Any


class Measurement:
    """What to measure of which weights.

    Args:
        variables: the weights, in the order of the row.
        statistics: names from `keraskip.callbacks.statistics`.
        kind: which gradients, a member of `KINDS`.
    """

    def __init__(
        self, variables: Sequence[keras.Variable], statistics: Sequence[str], kind: str
    ) -> None:
        self._row_of = {id(variable): row for row, variable in enumerate(variables)}
        self._statistics = tuple(statistics)
        self._kind = kind
        self._memory = Memory(variables, statistics)

    @property
    def shape(self) -> tuple[int, int]:
        """Of a row: weights and columns."""
        return len(self._row_of), len(columns_of(self._statistics))

    @property
    def variables(self) -> list[keras.Variable]:
        """What the measurement keeps from step to step."""
        return self._memory.variables

    def before(
        self,
        optimizer: keras.optimizers.Optimizer,
        grads: Sequence[Any],
        variables: Sequence[keras.Variable],
        values: Sequence[Any],
    ) -> Seen:
        """What there is to see before the optimizer's step; nothing later can change it.

        Args:
            optimizer: the optimizer, with the state that it has before the step.
            grads: what it is about to get.
            variables: those that the gradients are of.
            values: of the variables.
        """
        given, scalars, updating = self._gradients(optimizer, grads, variables)
        stacks = defaultdict(list)
        for index in given:
            if id(variables[index]) in self._row_of:
                stacks[tuple(variables[index].shape), variables[index].dtype].append(index)
        members = list(stacks.values())
        return Seen(
            members,
            [_stacked(given, those) for those in members],
            [_stacked(values, those) for those in members],
            scalars,
            updating,
        )

    def row(self, seen: Seen, variables: Sequence[keras.Variable]) -> Any:
        """The statistics after the step, with NaN for weights that got no gradient."""
        rows = [[self._row_of[id(variables[i])] for i in those] for those in seen.members]
        tables = [
            self._table(gradient, old, _stacked(variables, those), seen.updating, places)
            for those, gradient, old, places in zip(
                seen.members, seen.gradients, seen.weights, rows, strict=True
            )
        ]
        missing = ops.full((1, self.shape[1]), float("nan"))
        measured = [place for places in rows for place in places]
        source = np.full(len(self._row_of), len(measured))
        source[measured] = np.arange(len(measured))
        return ops.take(ops.concatenate([*tables, missing]), source, axis=0)

    def _gradients(
        self, optimizer: keras.optimizers.Optimizer, grads: Sequence[Any], variables: Sequence[Any]
    ) -> tuple[dict[int, Any], Any, Any]:
        """The gradients to measure by their index, the values of `SCALARS`, and whether the
        optimizer is about to change the weights.
        """
        scale, updating = optimizers.loss_scale(optimizer), optimizers.is_updating(optimizer)
        given = [index for index, grad in enumerate(grads) if grad is not None]
        raw = [optimizers.dense(grads[index]) for index in given]
        if scale is not None:
            raw = [grad / scale for grad in raw]
        mean = optimizers.accumulated(optimizer, raw, [variables[index] for index in given])
        effective = optimizers.clipped(optimizer, mean)
        wanted, factor = effective if self._kind == "effective" else raw, 1.0
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

    def _table(self, gradient: Any, old: Any, new: Any, updated: Any, rows: list[int]) -> Any:
        # An effective gradient exists only where there is an update.
        measured = updated if self._kind == "effective" else True
        known = measure(gradient, old, new, updated, self._statistics)
        known |= self._memory.compare(gradient, rows, measured)
        columns = [known[column] for column in columns_of(self._statistics)]
        table = ops.stack(columns, axis=-1)
        return table if measured is True else ops.where(measured, table, float("nan"))


def _stacked(tensors: Any, indices: list[int]) -> Any:
    """Some tensors of one size as rows: in a new place, even of a variable."""
    read = [optimizers.dense(ops.convert_to_tensor(tensors[index])) for index in indices]
    return ops.reshape(ops.stack(read), [len(indices), -1])


def _total_norm(grads: list) -> Any:
    return ops.sqrt(sum(ops.sum(ops.square(ops.cast(grad, "float32"))) for grad in grads))
