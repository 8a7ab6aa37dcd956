"""Recording in `fit`: traces the compiled training step anew, and drains the ring in time."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import wraps
from typing import Any

import keras
import numpy as np

from keraskip.callbacks.book.batches import LabelTotals
from keraskip.callbacks.columns import Rows
from keraskip.callbacks.hook.batch_watch import BatchWatch
from keraskip.callbacks.hook.capture import CAPACITY, Capture
from keraskip.callbacks.hook.taps import ON_JAX, already_recorded


class FitCapture(Capture):
    """Makes the training step of a compiled model write its statistics into a ring buffer.

    Steps inside `steps_per_execution` are seen too. Steps that are not due run in a second
    function, which only counts them. `attach` traces the step anew; `detach` brings back the
    optimizer and the step as they were.

    Args:
        model: a compiled Keras model.
        optimizers: see `Capture`.
        others: the further arguments of `Capture`.
        on_failure: called when an exception leaves `fit`; the exception goes on.
        goes_on_without: called with the error when the first step shows that nothing can be
            recorded; whether the training goes on.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizers: Mapping[str, keras.optimizers.Optimizer],
        *others: Any,
        on_failure: Callable[[], None],
        goes_on_without: Callable[[Exception], bool],
    ) -> None:
        super().__init__(model, optimizers, *others)
        self._capacity = max(CAPACITY, 2 * len(optimizers) * model.steps_per_execution)
        self._batches = BatchWatch(model)
        self._labels = LabelTotals(self._batches.widths)
        self._rows_per_call *= model.steps_per_execution
        self._on_failure = on_failure
        self._goes_on_without = goes_on_without
        # Whether a call of the training step runs now.
        self._stepping = False
        self._built_ahead = False
        # The training step, by whether it is recorded, and the weights that it trains.
        self._steps: dict[bool, Any] = {}
        self._trained: list[int] = []

    def attach(self) -> None:
        """Puts the recording into the training step."""
        model = self._model
        if "make_train_function" in vars(model):
            raise already_recorded(model)
        self._unmonitored_step = model.train_function
        super().attach()
        self._batches.attach()
        if not self._steps:
            self._steps = {due: self._made_step() for due in (True, False)}
            self._trained = list(map(id, model.trainable_variables))
        model.train_function = self._watched_step
        # Whoever compiles or builds the step anew gets one without the recording.
        model.make_train_function = self._restored_make_train_function

    def detach(self) -> None:
        """Leaves optimizer and model as they were before `attach`."""
        if not self._taps:
            return
        super().detach()
        self._batches.detach()
        del self._model.make_train_function
        # Unless the model was compiled anew since.
        if self._model.train_function == self._watched_step:
            self._model.train_function = self._unmonitored_step

    def has_step_of(
        self, model: keras.Model, optimizers: Mapping[str, keras.optimizers.Optimizer]
    ) -> bool:
        """Whether this has traced the step of a model as it is now compiled; never on JAX.

        There the record travels with the variables of the optimizer, from `attach` to `detach`.
        """
        return (
            not ON_JAX
            and self._prepared
            and model is self._model
            and model.train_function is self._unmonitored_step
            and list(map(id, optimizers.values())) == list(map(id, self._optimizers))
            and list(map(id, model.trainable_variables)) == self._trained
        )

    def begin_anew(self, on_rows: Callable[[Rows], None]) -> None:
        """Forgets the steps so far; `attach` keeps the step as it is traced.

        Args:
            on_rows: see `Capture`.
        """
        self._on_rows = on_rows
        for variable in [*self._ring.variables, *self._measurement.variables]:
            variable.assign(keras.ops.zeros_like(variable.value))
        self._drained = self._undrained = self.lost = 0
        self.start_at([])
        self._labels = LabelTotals(self._batches.widths)

    @property
    def is_live(self) -> bool:
        """False between steps, where the optimizer may take steps of another training."""
        return self._stepping

    def _prepare(self) -> None:
        """Gets the measurement; where a step shows that there is none, it may go on without."""
        try:
            super()._prepare()
        except Exception as error:
            self._prepared = False
            if not self._stepping or not self._goes_on_without(error):
                raise

    def _made_step(self) -> Any:
        model = self._model
        own, train_step = vars(model).get("train_step"), model.train_step
        # JAX caches traces by the function; a new one makes it trace the same step twice.
        model.train_step = lambda *args: self._with_batch(train_step, *args)
        try:
            model.make_train_function(force=True)
        finally:
            model.train_step = own
            if own is None:
                del model.train_step
        step = model.train_function
        if keras.backend.backend() == "torch":
            # There Keras asks for `train_step` anew in each step.
            return lambda data: self._with_batch(lambda batch: step([batch]), data[0])
        return step

    def _with_batch(self, train_step: Callable, *args: Any) -> Any:
        """The training step, and what its batch tells, written at its end."""
        if not self._recording:
            return train_step(*args)
        self._batches.begin(args[-1])
        result = train_step(*args)
        numbers = self._batches.end(result[0] if ON_JAX else result)
        if not self._prepared:  # no optimizer was called
            return result
        if not ON_JAX:
            self._ring.write_batch(numbers)
            return result
        logs, (*others, state, metrics) = result
        state = self._lent.updated(state, lambda: self._ring.write_batch(numbers))
        return logs, (*others, state, metrics)

    def _watched_step(self, *args: Any) -> Any:
        self._recording = self._may_be_due()
        self._stepping = True
        try:
            if not self._built_ahead:
                self._built_ahead = True
                _build_ahead(self._model, args[-1])
                self._prepare_if_built()
            result = self._steps[self._recording](*args)
        finally:
            self._stepping = False
        if ON_JAX:
            _, (_, _, optimizer_variables, _) = result
            self.after_call(optimizer_variables)
        else:
            self.after_call()
        return result

    def _may_be_due(self) -> bool:
        """Whether a step of the coming call is recorded, as far as its steps are known.

        An optimizer that the first call left out may be called in any later one. Not so the
        model's own: `compile` gives it one, used or not.
        """
        if len(self._optimizers) > 1:
            own = self._optimizers[0] is self._model.optimizer
            if not self._drained or not self._rows_per_call[int(own) :].all():
                return True
        ends = zip(self.next_steps, self.next_steps + self._rows_per_call, strict=True)
        return any(self._due(int(step)) for end in ends for step in range(*end))

    @property
    def _batch_shape(self) -> tuple[int, int]:
        strategy = getattr(self._model, "_distribute_strategy", None)
        replicas = strategy.num_replicas_in_sync if strategy else 1
        return replicas, self._batches.width

    @property
    def labels(self) -> list[dict[str, Any]]:
        """The facts about the labels of each output, as JSON values."""
        return self._labels.facts(self._batches.are_classes, self._batches.is_weighted)

    def _see_batches(self, batches: np.ndarray) -> None:
        self._labels.add(batches)

    def break_off(self) -> None:
        """Writes what was measured and detaches, after an exception has left `fit`."""
        try:
            self.drain()
        finally:
            self.detach()
            self._on_failure()

    def _restored_make_train_function(self, force: bool = False) -> Any:
        try:
            self.drain()
        finally:
            self.detach()
        return self._model.make_train_function(force=force)


def _build_ahead(model: keras.Model, data: Any) -> None:
    """Makes the variables of metrics and optimizer before TensorFlow traces the step.

    A trace that makes variables is thrown away, and the step traced once more; with the recorder
    in it that is dear. On the other backends, and with a strategy, Keras itself builds ahead.
    """
    if keras.backend.backend() != "tensorflow" or model.run_eagerly or model._distribute_strategy:
        return
    optimizer = model.optimizer
    # Another step may train some of the weights only, or call further layers.
    if optimizer is None or type(model).train_step is not keras.Model.train_step:
        return
    was_built, optimizer.built = optimizer.built, True  # until all layers are there
    try:
        # A model that takes no symbolic input is built by its first trace.
        with suppress(Exception):
            model._symbolic_build(data_batch=data.element_spec)
    finally:
        optimizer.built = was_built
    is_whole = all(layer.built for layer in model._flatten_layers())
    if is_whole and not was_built and _is_built_alike(optimizer):
        optimizer.build(model.trainable_variables)


def _is_built_alike(optimizer: keras.optimizers.Optimizer) -> bool:
    """Whether an optimizer is the same, built before the trace or in it.

    Keras' ScheduleFreeAdamW begins with copies of the weights, and others may do anything.
    """
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    others = ("ScheduleFreeAdamW", "MultiOptimizer")
    of_keras = type(optimizer).__module__.startswith("keras.src.optimizers.")
    return of_keras and type(optimizer).__name__ not in others


def watch_fit() -> None:
    """Makes `keras.Model.fit` tell the recorder of the model when an exception leaves it.

    `fit` calls no callback in that case, wherever it comes from: a step, the data, another
    callback, or Ctrl-C in between.
    """
    original = keras.Model.fit
    if hasattr(original, "tells_recorder"):
        return

    @wraps(original)
    def fit(model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(model, *args, **kwargs)
        except BaseException:
            capture = getattr(vars(model).get("make_train_function"), "__self__", None)
            if isinstance(capture, FitCapture):
                capture.break_off()
            raise

    fit.tells_recorder = True  # type: ignore[attr-defined]
    keras.Model.fit = fit
