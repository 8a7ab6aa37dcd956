"""Reads gradients inside the training step, at the optimizer's `apply`."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras
import numpy as np

from keraskip.callbacks.book.warning import warn
from keraskip.callbacks.columns import OF_BATCH, OF_UPDATE, Rows
from keraskip.callbacks.hook.lent_variables import LentVariables
from keraskip.callbacks.hook.taps import ON_JAX, Tap, check_free
from keraskip.callbacks.step.measurement import Measurement
from keraskip.callbacks.step.ring import Ring

# The least number of rows that the ring holds.
CAPACITY = 64


class Capture:
    """Makes optimizers write the statistics of their gradients into a ring buffer.

    Each call of an optimizer, compiled or not, writes one row, so nothing is fetched from the
    device between drains. `attach` hooks into the optimizers, `detach` leaves them as they were.

    Args:
        model: the model that is trained.
        optimizers: the optimizers that may train it, by their names. On JAX only the first one is
            recorded, whose state a training step returns.
        begin: called once when the model has its weights, at the latest in the first step; it
            returns the measurement.
        on_rows: called at each drain with the rows since the last drain that are due.
        due: whether to record the step of a number.
        first_steps: the number of the first step of each optimizer.

    Attributes:
        next_steps: number of the next step of each optimizer; each drain corrects it.
        lost: number of rows that were overwritten before a drain.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizers: Mapping[str, keras.optimizers.Optimizer],
        begin: Callable[[], Measurement],
        on_rows: Callable[[Rows], None],
        due: Callable[[int], bool],
        first_steps: Sequence[int],
    ) -> None:
        self._model = model
        self._optimizers = list(optimizers.values())
        self._begin = begin
        self._on_rows = on_rows
        self._due = due
        self.start_at(first_steps)
        self._capacity = CAPACITY
        self._drained = self._undrained = self.lost = 0
        self._rows_per_call = np.ones(len(self._optimizers), int)
        # The ring as the last step left it; on JAX a step returns it.
        self._state: Sequence[Any] | None = None
        self._prepared = False
        self._taps: list[Tap] = []
        # Whether the step that is traced or runs now is recorded, or only counted.
        self._recording = True

    def attach(self) -> None:
        """Puts the recording into the optimizers."""
        for optimizer in self._optimizers:
            check_free(optimizer, self._model)
        self._prepare_if_built()
        self._taps = [
            Tap(optimizer, number, self._recording_apply, lambda: self.is_live)
            for number, optimizer in enumerate(self._optimizers)
        ]

    def detach(self) -> None:
        """Leaves the optimizers as they were before `attach`."""
        if not self._taps:
            return
        for tap in self._taps:
            tap.detach()
        self._taps = []
        if ON_JAX:
            self._lent.withdraw()

    @property
    def is_live(self) -> bool:
        """Whether the training that this is attached to takes a step now, or may take one."""
        return True

    @property
    def _batch_shape(self) -> tuple[int, int]:
        """The numbers of replicas and of facts of a batch; a loop of one's own shows no batches."""
        return 1, len(OF_BATCH)

    def start_at(self, first_steps: Sequence[int]) -> None:
        """Numbers the steps from these on, one for each optimizer; before the first step."""
        # A run that goes on may have known fewer optimizers.
        known = [*first_steps, *[0] * len(self._optimizers)][: len(self._optimizers)]
        self._first_steps, self.next_steps = np.array(known), np.array(known)

    @property
    def is_attached(self) -> bool:
        """Whether the optimizers are read."""
        return bool(self._taps)

    @property
    def has_counted(self) -> bool:
        """Whether any optimizer has taken a step."""
        return bool((self.next_steps > self._first_steps).any())

    def drain(self) -> np.ndarray:
        """Hands over the rows written since the last drain; their number for each optimizer."""
        # On JAX a step that fails has deleted its state.
        if self._state is None or any(getattr(s, "is_deleted", bool)() for s in self._state):
            if not self._prepared:  # no optimizer has been called
                self.next_steps = self._first_steps
            return np.zeros(len(self._optimizers), int)
        rows, written, steps = self._ring.read(self._state, self._drained)
        self.lost += written - self._drained - len(rows.steps)
        self._drained, self._undrained = written, 0
        self._complete(rows, written)
        self.next_steps = self._first_steps + steps
        by_optimizer = rows.scalars[:, OF_UPDATE.index("optimizer")].astype(int)
        rows = rows._replace(steps=rows.steps + self._first_steps[by_optimizer])
        due = np.array([bool(self._due(int(step))) for step in rows.steps], bool)
        if due.any():
            rows = Rows(*(part[due] for part in rows))
            self._see_batches(rows.batches)
            self._on_rows(rows)
        return np.bincount(by_optimizer, minlength=len(self._optimizers))

    def _complete(self, rows: Rows, written: int) -> None:
        """Completes the rows of a drain; `fit` leaves nothing to add."""

    def _see_batches(self, batches: np.ndarray) -> None:
        """Sees the numbers of the batches of recorded steps; a loop of one's own shows none."""

    def after_call(self, optimizer_variables: Sequence[Any] | None = None) -> None:
        """Drains the ring before it overflows; to be called after each training step.

        Args:
            optimizer_variables: on JAX, the state of the optimizer that the step returned.
        """
        if ON_JAX:
            if optimizer_variables is None:
                raise ValueError("On JAX the recorder needs the optimizer's variables.")
            self._state = self._lent.of(optimizer_variables)
        self.next_steps = self.next_steps + self._rows_per_call
        if not self._recording:
            return
        if not self._drained:
            # The first call shows how often a custom step calls each optimizer.
            called = self.drain()
            self._rows_per_call = np.where(called, np.maximum(self._rows_per_call, called), 0)
            return
        # An optimizer that was not called then may be called in a later step.
        most = int(np.maximum(self._rows_per_call, 1).sum())
        self._undrained += most
        if self._undrained + most > self._capacity:
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
            shape, optimizers = self._measurement.shape, len(self._optimizers)
            self._ring = Ring(self._capacity, shape, len(OF_UPDATE), optimizers, self._batch_shape)
        if ON_JAX:
            lender = self._optimizers[0]
            if not lender.built:
                lender.build(self._model.trainable_variables)
            kept = [*self._ring.variables, *self._measurement.variables]
            self._lent = LentVariables(lender, kept, len(self._ring.variables))
        else:
            self._state = [variable.value for variable in self._ring.variables]

    def _recording_apply(self, tap: Tap, *args: Any, **kwargs: Any) -> Any:
        if not self.is_live:
            # A step of another training, as of a part of the model by itself.
            return tap.apply(*args, **kwargs)
        if not self._prepared:
            self._prepare()
        if not self._prepared:  # the training goes on without
            return tap.apply(*args, **kwargs)
        apply = self._stateless_apply if ON_JAX else self._apply
        return apply(tap, *args, **kwargs)

    def _apply(self, tap: Tap, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        optimizer = tap.optimizer
        if not self._recording:
            tap.apply(grads, trainable_variables)
            return self._ring.skip(tap.number)
        grads = list(grads)
        variables = list(trainable_variables or optimizer._trainable_variables)
        if not optimizer.built:
            optimizer.build(variables)
        seen = self._measurement.before(optimizer, grads, variables, variables)
        tap.apply(grads, variables)
        scalars = [*seen.scalars, tap.number]
        self._ring.write(self._measurement.row(seen, variables), _joined(scalars), tap.number)

    def _stateless_apply(
        self, tap: Tap, optimizer_variables: list, grads: Sequence[Any], trainable_variables: list
    ) -> tuple:
        optimizer, state, before = tap.optimizer, optimizer_variables, trainable_variables
        after, new_state = tap.apply(state, grads, before)
        if tap.number:
            _warn_that_jax_keeps_no_record(tap)
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
                scalars = [*seen.scalars, tap.number]
                self._ring.write(self._measurement.row(seen, variables), _joined(scalars))
            else:
                self._ring.skip()
        return after, self._lent.put(new_state, scope.get_current_value)


def _joined(scalars: Sequence[Any]) -> Any:
    """The scalars of an update as one tensor, in the order of `OF_UPDATE`."""
    return keras.ops.stack([keras.ops.cast(scalar, "float32") for scalar in scalars])


def _warn_that_jax_keeps_no_record(tap: Tap) -> None:
    warn(
        "On JAX a training step returns the state of `model.optimizer` and of no other optimizer, "
        f"so the gradients of this one are not recorded: {type(tap.optimizer).__name__}. They are "
        "on TensorFlow and PyTorch, and where it is the optimizer that the model is compiled with."
    )


def _scope(model: keras.Model) -> AbstractContextManager:
    """The scope in which to make variables that all replicas of a model share."""
    strategy = getattr(model, "_distribute_strategy", None)
    return strategy.scope() if strategy else nullcontext()
