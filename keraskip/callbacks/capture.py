"""Reads gradients where they are: inside the compiled training step, at the optimizer's `apply`."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keraskip.callbacks.jax_state import LentVariables
from keraskip.callbacks.statistics import STATISTICS, measure


class Capture:
    """Makes the training step of a compiled model write its statistics into a ring buffer.

    The step itself writes one row per update, so nothing is fetched from the device between
    drains, and steps inside `steps_per_execution` are seen too. `attach` traces the step anew;
    `detach` brings back the optimizer and the step as they were.

    Args:
        model: a compiled Keras model.
        variables: what to record, one row of the buffer's tables each.
        on_rows: called at each drain with the values [S, variables, statistics] of S steps.
        on_failure: called with the exception when a training step raises; the exception goes on.
        capacity: how many steps the buffer holds.
    """

    def __init__(
        self,
        model: keras.Model,
        variables: Sequence[keras.Variable],
        on_rows: Callable[[np.ndarray], None],
        on_failure: Callable[[BaseException], None],
        capacity: int = 64,
    ) -> None:
        self._model = model
        self._row_of = {id(variable): row for row, variable in enumerate(variables)}
        self._on_rows = on_rows
        self._on_failure = on_failure
        self._steps_per_call = model.steps_per_execution
        self._capacity = max(capacity, 2 * self._steps_per_call)
        shape = (self._capacity, len(variables), len(STATISTICS))
        self._buffer = keras.Variable(ops.zeros(shape), trainable=False, name="gradient_rows")
        self._count = keras.Variable(0, dtype="int32", trainable=False, name="gradient_count")
        self._drained = 0
        self._undrained = 0
        # Buffer and count as the last step left them. On JAX a step returns them.
        self._on_jax = keras.backend.backend() == "jax"
        self._state: Sequence[Any] | None = (
            None if self._on_jax else (self._buffer.value, self._count.value)
        )
        self._attached = False

    def attach(self) -> None:
        """Puts the recording into the training step."""
        model, optimizer = self._model, self._model.optimizer
        if not optimizer.built:
            optimizer.build(model.trainable_variables)
        self._apply = optimizer.apply
        self._unmonitored_step = model.train_function
        self._attached = True
        if self._on_jax:
            self._lent = LentVariables(optimizer, [self._buffer, self._count])
        optimizer.apply = self._recording_apply
        model.make_train_function(force=True)
        self._step = model.train_function
        model.train_function = self._watched_step
        # `fit` skips its end when a callback raises; the next `fit` starts here and cleans up.
        model.make_train_function = self._restored_make_train_function

    def detach(self) -> None:
        """Leaves optimizer and model as they were before `attach`."""
        if not self._attached:
            return
        self._attached = False
        if self._on_jax:
            self._lent.withdraw()
        del self._model.optimizer.apply
        del self._model.make_train_function
        self._model.train_function = self._unmonitored_step

    def drain(self) -> None:
        """Hands over the rows written since the last drain."""
        if self._state is None:
            return
        buffer, count = (ops.convert_to_numpy(ops.copy(state)) for state in self._state)
        steps = np.arange(self._drained, count)
        if len(steps):
            self._on_rows(buffer[steps % self._capacity])
        self._drained, self._undrained = int(count), 0

    def _watched_step(self, *args: Any) -> Any:
        try:
            result = self._step(*args)
        except BaseException as error:
            self.drain()
            self.detach()
            self._on_failure(error)
            raise
        if self._on_jax:
            _, (_, _, optimizer_state, _) = result
            self._state = optimizer_state[-2:]
        self._undrained += self._steps_per_call
        if self._undrained + self._steps_per_call > self._capacity:
            self.drain()
        return result

    def _restored_make_train_function(self, force: bool = False) -> Any:
        self.drain()
        self.detach()
        return self._model.make_train_function(force=force)

    def _recording_apply(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        optimizer = self._model.optimizer
        grads = list(grads)
        variables = list(trainable_variables or optimizer._trainable_variables)
        before = [ops.copy(variable.value) for variable in variables]
        scale = _loss_scale(optimizer)
        self._apply(grads, variables)
        unscaled = [grad if grad is None else grad / scale for grad in grads]
        self._write_row(unscaled, variables, before)

    def _write_row(self, grads: list, variables: list, before: list) -> None:
        """Measures the variables in stacks of equal shape and writes the row in recorded order."""
        stacks = defaultdict(list)
        for index, (grad, variable) in enumerate(zip(grads, variables, strict=True)):
            if grad is not None and id(variable) in self._row_of:
                stacks[tuple(variable.shape), variable.dtype].append(index)

        def flat(tensors: Sequence[Any], members: list[int]) -> Any:
            return ops.stack(
                [ops.reshape(ops.convert_to_tensor(tensors[i]), [-1]) for i in members]
            )

        tables = [
            measure(flat(grads, members), flat(before, members), flat(variables, members))
            for members in stacks.values()
        ]
        # A weight that got no gradient has no statistics.
        missing = ops.full((1, len(STATISTICS)), float("nan"))
        measured = [self._row_of[id(variables[i])] for members in stacks.values() for i in members]
        source = np.full(len(self._row_of), len(measured))
        source[measured] = np.arange(len(measured))
        row = ops.take(ops.concatenate([*tables, missing]), source, axis=0)
        place = [ops.mod(self._count.value, self._capacity), 0, 0]
        self._buffer.assign(ops.slice_update(self._buffer.value, place, row[None]))
        # One, read off the row: TensorFlow runs what does not depend on the data also in a step
        # that fails, and would count a row that was never written.
        missing_any = ops.isnan(ops.sum(row))
        counted = [ops.cast(missing_any, "int32"), ops.cast(ops.logical_not(missing_any), "int32")]
        self._count.assign_add(ops.sum(ops.stack(counted)))


def _loss_scale(optimizer: keras.optimizers.Optimizer) -> Any:
    """What the gradients at `apply` are multiplied with, against underflow in float16."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return ops.copy(optimizer.dynamic_scale)
    return optimizer.loss_scale_factor or 1.0
