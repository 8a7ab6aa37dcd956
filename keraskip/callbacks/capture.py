"""Reads gradients where they are: inside the compiled training step, at the optimizer's `apply`."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras
import numpy as np
from keras import ops

from keraskip.callbacks.jax_state import LentVariables
from keraskip.callbacks.statistics import STATISTICS, measure

CAPACITY = 64


class Capture:
    """Makes the training step of a compiled model write its statistics into a ring buffer.

    The step itself writes one row per update, so nothing is fetched from the device between
    drains, and steps inside `steps_per_execution` are seen too. Steps that are not due run in a
    function of their own, which only counts them. `attach` traces the step anew; `detach` brings
    back the optimizer and the step as they were.

    Args:
        model: a compiled Keras model.
        begin: called once when the model has its weights, at the latest in the first step; it
            returns the variables to record, one row of the buffer's tables each.
        on_rows: called at each drain with the numbers [S] of S steps and their values
            [S, variables, statistics].
        on_failure: called with the exception when a training step raises; the exception goes on.
        due: says of the number of a step whether to record it.
        first_step: the number of the first step.
    """

    def __init__(
        self,
        model: keras.Model,
        begin: Callable[[], Sequence[keras.Variable]],
        on_rows: Callable[[np.ndarray, np.ndarray], None],
        on_failure: Callable[[BaseException], None],
        due: Callable[[int], bool],
        first_step: int = 0,
    ) -> None:
        self._model = model
        self._begin = begin
        self._on_rows = on_rows
        self._on_failure = on_failure
        self._due = due
        self._first_step = self.next_step = first_step
        self._rows_per_call = model.steps_per_execution
        self._drained = 0
        self._undrained = 0
        self._on_jax = keras.backend.backend() == "jax"
        # The ring as the last step left it; on JAX a step returns it.
        self._state: Sequence[Any] | None = None
        self._prepared = False
        self._attached = False
        # Of the step that runs; None between steps.
        self._recording: bool | None = None

    def attach(self) -> None:
        """Puts the recording into the training step."""
        model = self._model
        if "make_train_function" in vars(model):
            raise ValueError("A model is recorded by one GradientRecorder at a time.")
        self._optimizer = model.optimizer
        # On JAX Keras updates by a function without side effects.
        self._hook = "stateless_apply" if self._on_jax else "apply"
        self._apply = getattr(model.optimizer, self._hook)
        self._unmonitored_step = model.train_function
        # On TensorFlow a model may get its weights only when the first step is traced.
        built = all(layer.built for layer in model._flatten_layers())
        if built or keras.backend.backend() != "tensorflow":
            self._prepare()
        self._attached = True
        recording = self._recording_stateless_apply if self._on_jax else self._recording_apply
        setattr(model.optimizer, self._hook, recording)
        self._steps = {due: self._made_step() for due in (True, False)}
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
        delattr(self._optimizer, self._hook)
        del self._model.make_train_function
        # Unless the model was compiled anew since.
        if self._model.train_function == self._watched_step:
            self._model.train_function = self._unmonitored_step

    def drain(self) -> None:
        """Hands over the rows written since the last drain."""
        # A step of JAX takes its state with it when it fails.
        if self._state is None or any(getattr(s, "is_deleted", bool)() for s in self._state):
            return
        rows, numbers, counts = (ops.convert_to_numpy(ops.copy(state)) for state in self._state)
        written, steps = (int(count) for count in counts)
        self.next_step = self._first_step + steps
        places = np.arange(self._drained, written) % self._capacity
        self._drained, self._undrained = written, 0
        found = self._first_step + numbers[places]
        due = np.array([bool(self._due(int(step))) for step in found], bool)
        if due.any():
            self._on_rows(found[due], rows[places[due]])

    def _made_step(self) -> Any:
        model = self._model
        own, train_step = vars(model).get("train_step"), model.train_step
        # JAX remembers what it traced by the function, and here it is to trace the same one twice.
        model.train_step = lambda *args: train_step(*args)
        try:
            model.make_train_function(force=True)
        finally:
            model.train_step = own
            if own is None:
                del model.train_step
        return model.train_function

    def _prepare(self) -> None:
        """Learns what to record and makes the ring: rows, their steps, and how many of each."""
        self._prepared = True
        variables = self._begin()
        self._row_of = {id(variable): row for row, variable in enumerate(variables)}
        self._capacity = max(CAPACITY, 2 * self._rows_per_call)
        shapes = {
            "rows": ((self._capacity, len(variables), len(STATISTICS)), "float32"),
            "steps": ((self._capacity,), "int32"),
            "counts": ((2,), "int32"),
        }
        # All replicas of a model come to the same row.
        options = {"trainable": False, "aggregation": "only_first_replica"}
        with _scope(self._model):
            self._ring = [
                keras.Variable("zeros", shape, dtype, name=f"gradient_{name}", **options)
                for name, (shape, dtype) in shapes.items()
            ]
        if self._on_jax:
            self._lent = LentVariables(self._model.optimizer, self._ring)
        else:
            self._state = [variable.value for variable in self._ring]

    def _watched_step(self, *args: Any) -> Any:
        coming = range(self.next_step, self.next_step + self._rows_per_call)
        self._recording = any(self._due(step) for step in coming)
        try:
            result = self._steps[self._recording](*args)
        except BaseException as error:
            self._recording = None
            if not _is_end_of_data(error):
                self._break_off(error)
            raise
        recorded, self._recording = self._recording, None
        if self._on_jax:
            _, (_, _, optimizer_state, _) = result
            self._state = self._lent.of(optimizer_state)
        self._after_call(recorded)
        return result

    def _break_off(self, error: BaseException) -> None:
        try:
            self.drain()
            if self._on_jax:
                # Keras does so in the end, and then with other variables in the optimizer.
                self._model.jax_state_sync()
        finally:
            self.detach()
            self._on_failure(error)

    def _after_call(self, recorded: bool) -> None:
        """Drains the ring before it overflows."""
        self.next_step += self._rows_per_call
        if not recorded:
            return
        if not self._drained:
            # The first call tells how often a custom `train_step` calls the optimizer.
            self.drain()
            self._rows_per_call = max(self._rows_per_call, self._drained)
            return
        self._undrained += self._rows_per_call
        if self._undrained + self._rows_per_call > self._capacity:
            self.drain()

    def _restored_make_train_function(self, force: bool = False) -> Any:
        try:
            self.drain()
        finally:
            self.detach()
        return self._model.make_train_function(force=force)

    def _recording_apply(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        if self._recording is None:
            # `fit` was interrupted, and this is a loop of the user's own.
            self.detach()
            return self._apply(grads, trainable_variables)
        if not self._prepared:
            self._prepare()
        optimizer = self._model.optimizer
        if not self._recording:
            self._apply(grads, trainable_variables)
            self._ring[2].assign_add([0, 1])
            return None
        grads = list(grads)
        variables = list(trainable_variables or optimizer._trainable_variables)
        before = [ops.copy(variable.value) for variable in variables]
        scale = _loss_scale(optimizer)
        self._apply(grads, variables)
        unscaled = [grad if grad is None else grad / scale for grad in _of_whole_batch(grads)]
        return self._write_row(unscaled, variables, before)

    def _recording_stateless_apply(
        self, optimizer_variables: list, grads: Sequence[Any], trainable_variables: list
    ) -> tuple:
        optimizer, state, before = self._optimizer, optimizer_variables, trainable_variables
        after, new_state = self._apply(state, grads, before)
        if self._recording is None:
            return after, new_state
        with keras.StatelessScope(list(zip(optimizer.variables, state, strict=True))):
            scale = _loss_scale(optimizer)
        variables = optimizer._trainable_variables
        mapping = [
            *zip(optimizer.variables, new_state, strict=True),
            *zip(variables, after, strict=True),
        ]
        with keras.StatelessScope(mapping) as scope:
            if self._recording:
                unscaled = [grad if grad is None else grad / scale for grad in grads]
                self._write_row(unscaled, variables, before)
            else:
                self._ring[2].assign_add([0, 1])
        written = [scope.get_current_value(variable) for variable in self._ring]
        return after, self._lent.put(new_state, written)

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

        updated = _is_updated(self._model.optimizer)
        tables = [
            measure(flat(grads, members), flat(before, members), flat(variables, members), updated)
            for members in stacks.values()
        ]
        # A weight that got no gradient has no statistics.
        missing = ops.full((1, len(STATISTICS)), float("nan"))
        measured = [self._row_of[id(variables[i])] for members in stacks.values() for i in members]
        source = np.full(len(self._row_of), len(measured))
        source[measured] = np.arange(len(measured))
        self._write(ops.take(ops.concatenate([*tables, missing]), source, axis=0))

    def _write(self, row: Any) -> None:
        rows, steps, counts = self._ring
        place = ops.mod(counts.value[0], self._capacity)
        rows.assign(ops.slice_update(rows.value, [place, 0, 0], row[None]))
        steps.assign(ops.slice_update(steps.value, [place], counts.value[1:]))
        # One, read off the row: TensorFlow runs what does not depend on the data also in a step
        # that fails, and would count a row that was never written.
        missing_any = ops.isnan(ops.sum(row))
        one = ops.cast(missing_any, "int32") + ops.cast(ops.logical_not(missing_any), "int32")
        counts.assign_add(ops.stack([one, one]))


def _is_end_of_data(error: BaseException) -> bool:
    """Whether this is how a step says that data of unknown size are at an end."""
    return isinstance(error, StopIteration) or type(error).__name__ == "OutOfRangeError"


def _loss_scale(optimizer: keras.optimizers.Optimizer) -> Any:
    """What the gradients at `apply` are multiplied with, against underflow in float16."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return ops.copy(optimizer.dynamic_scale) if optimizer.built else optimizer.initial_scale
    return optimizer.loss_scale_factor or 1.0


def _is_updated(optimizer: keras.optimizers.Optimizer) -> Any:
    """Whether this step changed weights, and did not only accumulate gradients."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    steps = optimizer.gradient_accumulation_steps
    # Not its public `iterations`, which count updates.
    return ops.equal(ops.mod(optimizer._iterations.value, steps), 0) if steps else True


def _of_whole_batch(grads: list) -> list:
    """The gradients as whole tensors, summed over the replicas of a `tf.distribute` strategy."""
    if keras.backend.backend() != "tensorflow":
        return grads
    import tensorflow as tf

    # That of an embedding comes as rows and their indices.
    grads = [grad if grad is None else tf.convert_to_tensor(grad) for grad in grads]
    if tf.distribute.get_strategy().num_replicas_in_sync == 1:
        return grads
    given = [grad for grad in grads if grad is not None]
    replica = tf.distribute.get_replica_context()
    summed = iter(replica.all_reduce(tf.distribute.ReduceOp.SUM, given))
    return [grad if grad is None else next(summed) for grad in grads]


def _scope(model: keras.Model) -> AbstractContextManager:
    """Where variables are made that all replicas of a model share."""
    strategy = getattr(model, "_distribute_strategy", None)
    return strategy.scope() if strategy else nullcontext()
