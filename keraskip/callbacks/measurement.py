"""Makes the row of one training step: the statistics of every recorded weight."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keraskip.callbacks import optimizers
from keraskip.callbacks.chunks import Chunks
from keraskip.callbacks.memory import Memory
from keraskip.callbacks.statistics import columns_of, measure

KINDS = ("raw", "effective")
SCALARS = ("loss_scale", "clip_factor")


class Seen(NamedTuple):
    """What was seen before a step.

    Attributes:
        places: for each recorded weight that has a gradient, by its row, the place among the
            optimizer's variables.
        gradient: matrix of the gradients, see `Chunks`.
        weights: matrix of the weights.
        scalars: the values of `SCALARS`.
        updating: whether the step will change the weights.
    """

    places: dict[int, int]
    gradient: Any
    weights: Any
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
        # So that weights of several types can be in one matrix, with all their digits.
        precise = any(variable.dtype == "float64" for variable in variables)
        self._dtype = "float64" if precise else "float32"
        self._columns = columns_of(statistics)
        self._statistics = tuple(statistics)
        self._kind = kind
        self._chunks = Chunks([tuple(variable.shape) for variable in variables])
        self._memory = Memory(self._chunks, statistics)

    @property
    def shape(self) -> tuple[int, int]:
        """Of a row: weights and columns."""
        return len(self._row_of), len(self._columns)

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
        found, scalars, updating = self._gradients(optimizer, grads, variables)
        places = {
            self._row_of[id(variables[index])]: index
            for index in found
            if id(variables[index]) in self._row_of
        }
        join = self._chunks.join
        return Seen(
            places,
            join({row: found[index] for row, index in places.items()}, "float32", "gradient"),
            join({row: values[index] for row, index in places.items()}, self._dtype, "before"),
            scalars,
            updating,
        )

    def row(self, seen: Seen, variables: Sequence[keras.Variable]) -> Any:
        """The statistics after the step, with NaN for weights that got no gradient."""
        after = {row: variables[index] for row, index in seen.places.items()}
        new = self._chunks.join(after, self._dtype, "after")
        known = measure(
            self._chunks, seen.gradient, seen.weights, new, seen.updating, self._statistics
        )
        given: Any = True
        if len(seen.places) < len(self._row_of):
            given = np.isin(np.arange(len(self._row_of)), list(seen.places))
        if self._kind == "effective":
            # An effective gradient exists only where there is an update.
            given = ops.logical_and(given, seen.updating)
        known |= self._memory.compare(seen.gradient, given)
        table = ops.stack([known[column] for column in self._columns], axis=-1)
        if given is True:
            return table
        return ops.where(ops.reshape(given, (-1, 1)), table, float("nan"))

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
