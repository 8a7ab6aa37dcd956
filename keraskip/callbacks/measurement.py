"""Makes the row of one training step: the statistics of every recorded weight."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keraskip.callbacks import optimizers
from keraskip.callbacks.memory import Memory
from keraskip.callbacks.statistics import columns_of, measure

KINDS = ("raw", "effective")
SCALARS = ("loss_scale", "clip_factor")


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

    def gradients(
        self, optimizer: keras.optimizers.Optimizer, grads: Sequence[Any], variables: Sequence[Any]
    ) -> tuple[dict[int, Any], Any, Any]:
        """What to measure of the gradients that the optimizer is about to get.

        Returns:
            The gradients by the index of their variable, the values of `SCALARS`, and whether
            the optimizer is about to change the weights.
        """
        scale, updating = optimizers.loss_scale(optimizer), optimizers.is_updating(optimizer)
        given = [index for index, grad in enumerate(grads) if grad is not None]
        raw = [optimizers.dense(grads[index]) / scale for index in given]
        mean = optimizers.accumulated(optimizer, raw, [variables[index] for index in given])
        effective = optimizers.clipped(optimizer, mean)
        factor = 1.0
        raw = whole = optimizers.of_whole_batch(raw)
        if effective is not mean or self._kind == "effective":
            whole = optimizers.of_whole_batch(effective)
        if effective is not mean:
            factor = _total_norm(whole) / _total_norm(optimizers.of_whole_batch(mean))
        if self._kind == "effective":
            raw = [ops.where(updating, grad, ops.zeros_like(grad)) for grad in whole]
        scalars = ops.stack(
            [
                ops.cast(scale, "float32"),
                ops.cast(ops.where(updating, factor, float("nan")), "float32"),
            ]
        )
        return dict(zip(given, raw, strict=True)), scalars, updating

    def row(self, grads: dict[int, Any], variables: list, before: list, updated: Any) -> Any:
        """The statistics, with NaN for weights that got no gradient.

        The variables are measured in stacks of equal shape.

        Args:
            grads: gradients by the index of their variable.
            variables: all variables of the optimizer, after the update.
            before: their values before it.
            updated: whether there was an update.
        """
        stacks = defaultdict(list)
        for index in grads:
            if id(variables[index]) in self._row_of:
                stacks[tuple(variables[index].shape), variables[index].dtype].append(index)
        tables = [
            self._table(grads, variables, before, updated, members) for members in stacks.values()
        ]
        missing = ops.full((1, self.shape[1]), float("nan"))
        measured = [self._row_of[id(variables[i])] for members in stacks.values() for i in members]
        source = np.full(len(self._row_of), len(measured))
        source[measured] = np.arange(len(measured))
        return ops.take(ops.concatenate([*tables, missing]), source, axis=0)

    def _table(
        self, grads: dict, variables: list, before: list, updated: Any, members: list[int]
    ) -> Any:
        gradient, old, new = (
            _stacked([tensors[index] for index in members])
            for tensors in (grads, before, variables)
        )
        # An effective gradient exists only where there is an update.
        measured = updated if self._kind == "effective" else True
        known = measure(gradient, old, new, updated, self._statistics)
        rows = [self._row_of[id(variables[index])] for index in members]
        known |= self._memory.compare(gradient, rows, measured)
        columns = [known[column] for column in columns_of(self._statistics)]
        table = ops.stack(columns, axis=-1)
        return table if measured is True else ops.where(measured, table, float("nan"))


def _stacked(tensors: list) -> Any:
    return ops.stack([ops.reshape(ops.convert_to_tensor(tensor), [-1]) for tensor in tensors])


def _total_norm(grads: list) -> Any:
    return ops.sqrt(sum(ops.sum(ops.square(ops.cast(grad, "float32"))) for grad in grads))
