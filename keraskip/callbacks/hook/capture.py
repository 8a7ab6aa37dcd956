"""Reads gradients where they are: in the training step, at the optimizer's `apply`."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras
import numpy as np

from keraskip.callbacks.columns import SCALARS, Rows
from keraskip.callbacks.hook.lent_variables import LentVariables
from keraskip.callbacks.step.measurement import Measurement
from keraskip.callbacks.step.ring import Ring

CAPACITY = 64


class Capture:
    """Makes an optimizer write the statistics of its gradients into a ring buffer.

    Each call of the optimizer, compiled or not, writes one row, so nothing is fetched from the
    device between drains. `attach` hooks into the optimizer, `detach` leaves it as it was.

    Args:
        model: the model that is trained.
        optimizer: the optimizer that trains it.
        begin: called once when the model has its weights, at the latest in the first step; it
            returns the measurement.
        on_rows: called at each drain with the rows since the last drain that are due.
        due: whether to record the step of a number.
        first_step: the number of the first step.
        capacity: least number of rows that the ring holds.

    Attributes:
        next_step: number of the next step; each drain corrects it.
        lost: number of rows that were overwritten before a drain.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        begin: Callable[[], Measurement],
        on_rows: Callable[[Rows], None],
        due: Callable[[int], bool],
        first_step: int = 0,
        capacity: int = CAPACITY,
    ) -> None:
        self._model = model
        self._optimizer = optimizer
        self._begin = begin
        self._on_rows = on_rows
        self._due = due
        self._first_step = self.next_step = first_step
        self._capacity = capacity
        self._drained = self._undrained = self.lost = 0
        self._rows_per_call = 1
        self._on_jax = keras.backend.backend() == "jax"
        # The ring as the last step left it; on JAX a step returns it.
        self._state: Sequence[Any] | None = None
        self._prepared = False
        self._attached = False
        # Whether the step that is traced or runs now is recorded, or only counted.
        self._recording = True

    def attach(self) -> None:
        """Puts the recording into the optimizer."""
        # On JAX Keras updates by a function without side effects.
        self._hook = "stateless_apply" if self._on_jax else "apply"
        self._free_hook()
        self._former = vars(self._optimizer).get(self._hook)
        self._apply = getattr(self._optimizer, self._hook)
        self._prepare_if_built()
        self._attached = True
        recording = self._recording_stateless_apply if self._on_jax else self._recording_apply
        setattr(self._optimizer, self._hook, recording)

    def detach(self) -> None:
        """Leaves the optimizer as it was before `attach`."""
        if not self._attached:
            return
        self._attached = False
        if self._on_jax:
            self._lent.withdraw()
        if self._former is None:
            delattr(self._optimizer, self._hook)
        else:
            setattr(self._optimizer, self._hook, self._former)

    @property
    def is_live(self) -> bool:
        """Whether the training that this is attached to takes a step now, or may take one."""
        return True

    def _free_hook(self) -> None:
        """Detaches a capture that an interrupted `fit` has left; refuses a second recorder."""
        other = getattr(vars(self._optimizer).get(self._hook), "__self__", None)
        if isinstance(other, Capture):
            if other.is_live:
                raise ValueError("A model is recorded by one GradientRecorder at a time.")
            other.drain()
            other.detach()

    def drain(self) -> None:
        """Hands over the rows written since the last drain."""
        # On JAX a step that fails has deleted its state.
        if self._state is None or any(getattr(s, "is_deleted", bool)() for s in self._state):
            return
        rows, written, steps = self._ring.read(self._state, self._drained)
        self.lost += written - self._drained - len(rows.steps)
        self._drained, self._undrained = written, 0
        self.next_step = self._first_step + steps
        rows = rows._replace(steps=rows.steps + self._first_step)
        due = np.array([bool(self._due(int(step))) for step in rows.steps], bool)
        if due.any():
            self._on_rows(rows.take(due))

    def after_call(self, optimizer_variables: Sequence[Any] | None = None) -> None:
        """Drains the ring before it overflows; to be called after each training step.

        Args:
            optimizer_variables: on JAX, the state of the optimizer that the step returned.
        """
        if self._on_jax:
            if optimizer_variables is None:
                raise ValueError("On JAX the recorder needs the optimizer's variables.")
            self._state = self._lent.of(optimizer_variables)
        self.next_step += self._rows_per_call
        if not self._recording:
            return
        if not self._drained:
            # The first call shows how often a custom step calls the optimizer.
            self.drain()
            self._rows_per_call = max(self._rows_per_call, self._drained)
            return
        self._undrained += self._rows_per_call
        if self._undrained + self._rows_per_call > self._capacity:
            self.drain()

    def _prepare_if_built(self) -> None:
        """Prepares, unless the model gets its weights in its first step, as on TensorFlow."""
        built = all(layer.built for layer in self._model._flatten_layers())
        if not self._prepared and (built or keras.backend.backend() != "tensorflow"):
            self._prepare()

    def _prepare(self) -> None:
        """Gets the measurement and makes the ring."""
        self._prepared = True
        with _scope(self._model):
            self._measurement = self._begin()
            self._ring = Ring(self._capacity, self._measurement.shape, len(SCALARS))
        if self._on_jax:
            if not self._optimizer.built:
                self._optimizer.build(self._model.trainable_variables)
            kept = [*self._ring.variables, *self._measurement.variables]
            self._lent = LentVariables(self._optimizer, kept, len(self._ring.variables))
        else:
            self._state = [variable.value for variable in self._ring.variables]

    def _recording_apply(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        if not self.is_live:
            # `fit` was interrupted, and this is a loop of the user's own.
            self.detach()
            return self._apply(grads, trainable_variables)
        if not self._prepared:
            self._prepare()
        if not self._recording:
            self._apply(grads, trainable_variables)
            return self._ring.skip()
        optimizer = self._optimizer
        grads = list(grads)
        variables = list(trainable_variables or optimizer._trainable_variables)
        if not optimizer.built:
            optimizer.build(variables)
        seen = self._measurement.before(optimizer, grads, variables, variables)
        self._apply(self._measurement.handed_on(seen, grads), variables)
        self._ring.write(self._measurement.row(seen, variables), seen.scalars)

    def _recording_stateless_apply(
        self, optimizer_variables: list, grads: Sequence[Any], trainable_variables: list
    ) -> tuple:
        optimizer, state, before = self._optimizer, optimizer_variables, trainable_variables
        after, new_state = self._apply(state, grads, before)
        if not self.is_live:
            return after, new_state
        variables = optimizer._trainable_variables
        if self._recording:
            with keras.StatelessScope(list(zip(optimizer.variables, state, strict=True))):
                seen = self._measurement.before(optimizer, grads, variables, before)
        mapping = [
            *zip(optimizer.variables, new_state, strict=True),
            *zip(variables, after, strict=True),
        ]
        with keras.StatelessScope(mapping) as scope:
            if self._recording:
                self._ring.write(self._measurement.row(seen, variables), seen.scalars)
            else:
                self._ring.skip()
        return after, self._lent.put(new_state, scope.get_current_value)


def _scope(model: keras.Model) -> AbstractContextManager:
    """The scope in which to make variables that all replicas of a model share."""
    strategy = getattr(model, "_distribute_strategy", None)
    return strategy.scope() if strategy else nullcontext()
