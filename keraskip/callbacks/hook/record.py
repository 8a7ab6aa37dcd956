"""The record of a recorder: when a run begins, goes on with another `fit`, and ends."""

import atexit
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import keras

from keraskip.callbacks.book.batches import joined_labels
from keraskip.callbacks.book.journal import Journal
from keraskip.callbacks.book.showing import made_telling
from keraskip.callbacks.book.trackers import Trackers
from keraskip.callbacks.book.warning import missing, warn
from keraskip.callbacks.columns import columns_of
from keraskip.callbacks.hook.arguments import Settings
from keraskip.callbacks.hook.capture import Capture
from keraskip.callbacks.hook.fit_capture import FitCapture
from keraskip.callbacks.hook.loop_capture import LoopCapture
from keraskip.callbacks.hook.model_facts import (
    is_first_process,
    is_only_process,
    moving_averages,
    norm_of,
)
from keraskip.callbacks.hook.provenance import provenance
from keraskip.callbacks.hook.recorded_weights import recorded_weights
from keraskip.callbacks.hook.training_facts import known_facts, optimizer_facts
from keraskip.callbacks.step.measurement import Measurement
from keraskip.runs import check_facts

NO_STEP = (
    "No step was recorded in this epoch: no optimizer that can be recorded was called. A training "
    "step of your own must call `apply` or `apply_gradients` of an optimizer that is an attribute "
    "of the model or of one of its layers; a loop of your own records with "
    "`GradientRecorder.recording`."
)
STEP_MADE_ANEW = (
    "Recording has ended before training: the training step was made anew, as `compile` and "
    "`train_on_batch` do it inside of `fit`. A loop of your own records with "
    "`GradientRecorder.recording`."
)


class Record:
    """Connects what reads the gradients of a training with what writes them.

    Args:
        settings: the arguments of the recorder.

    Attributes:
        journal: what writes the run.
    """

    def __init__(self, settings: Settings) -> None:
        self._capture: Capture | None = None
        # Whether the next training begins another run.
        self._is_anew = False
        # Weights and facts of a run that has not started, and the epoch that runs.
        self._begun: tuple[list[dict[str, Any]], dict[str, Any]] | None = None
        self._epoch: int | None = None
        self._set(settings)

    def _set(self, settings: Settings) -> None:
        """Makes what belongs to one run."""
        self._settings = settings
        self.journal = Journal(
            settings.run_dir,
            columns_of(settings.statistics),
            settings.on_nonfinite != "ignore",
            self._stop,
            self._tell,
            Trackers(settings.trackers),
            settings.initial_epoch,
            settings.overwrite,
        )
        self._telling = made_telling(settings.verbose, settings.on_finding == "stop")
        self._told_of_missing_steps = False
        # The model of the run so far, the names of its optimizers, and the recorded weights.
        self._recorded_model: keras.Model | None = None
        self._optimizers: list[str] = []
        self._variables: list[keras.Variable] = []
        # What is known of the labels of earlier trainings of the run.
        self._known_labels: list[dict[str, Any]] = []

    def begin_anew(self, run_dir: Path, info: dict[str, Any], initial_epoch: int) -> None:
        """Lets the next training begin another run; see `GradientRecorder.begin_anew`."""
        settings = self._settings
        self._set(settings._replace(run_dir=run_dir, info=info, initial_epoch=initial_epoch))
        self._is_anew = True

    def attach(
        self,
        make_capture: Callable[..., Capture],
        model: keras.Model,
        optimizers: Mapping[str, keras.optimizers.Optimizer],
        epoch: int | None,
    ) -> Capture:
        """Begins to read the gradients of a training.

        Args:
            make_capture: `LoopCapture`, or `FitCapture` in `fit`.
            model: the model that is trained.
            optimizers: what trains it, by name.
            epoch: the epoch with which the training begins, if it is known yet.
        """
        next_steps: list[int] = []
        if not self._is_anew:
            next_steps = self._next_steps()
            self._known_labels = self._labels.get("labels", [])
        self._epoch, self._trained = epoch, (model, optimizers)
        begin = partial(self._begin, model, optimizers)
        kept = None if make_capture is LoopCapture else self._kept_capture(model, optimizers)
        self._capture = kept or make_capture(
            model, optimizers, begin, self.journal.append, self._settings.due, next_steps
        )
        self._is_anew = False
        if kept:
            kept.begin_anew(self.journal.append)
        self._capture.attach()
        if kept:
            self._describe(model, optimizers)
        atexit.register(self._leave)
        return self._capture

    def begin_epoch(self, epoch: int) -> None:
        """Starts the run before the first epoch, or goes on with it."""
        self._telling.print_waiting()
        if self._epoch is None:
            self._epoch = epoch
            self._start()

    def end_epoch(self, epoch: int, logs: dict[str, Any], is_last: bool) -> None:
        """Writes the steps of an epoch of `fit`, and its logs, and tells what they show.

        Args:
            epoch: its number.
            logs: of Keras.
            is_last: whether the training ends with it, and its look is the diagnosis at the end.
        """
        model, _ = self._trained
        if not self._capture:
            return
        if not self._capture.is_attached:
            return self._warn_once(STEP_MADE_ANEW)
        self._capture.drain()
        if not self._capture.has_counted:
            return self._warn_once(NO_STEP)
        next_steps, size = self._capture.next_steps.tolist(), norm_of(self._variables)
        self.journal.end_epoch(epoch, next_steps, logs, size, self._labels.get("labels", []))
        self._warn_of_lost_steps()
        if self._settings.probe and self.journal.is_written:
            self.journal.add_probes(epoch, self._settings.probe.look(model))
        if self.journal.is_open and self._settings.on_nonfinite != "ignore":
            self.journal.check_moving_averages(epoch, moving_averages(model))
        if self.journal.is_written and not is_last:
            self._look(epoch)

    def end(self, status: str) -> None:
        """Writes the rest, and leaves the training step as it was."""
        atexit.unregister(self._leave)
        if self._capture:
            self._capture.drain()
            self.journal.describe(self._labels)
            self._capture.detach()
        self.journal.end(status)
        if self.journal.is_written and status != "interrupted":
            self._telling.end(self.journal.run_dir)

    @property
    def stopped(self) -> str:
        """Why a finding has ended the training; empty if none has."""
        return self._telling.stopped

    def _kept_capture(
        self, model: keras.Model, optimizers: Mapping[str, keras.optimizers.Optimizer]
    ) -> FitCapture | None:
        """The capture of the run before, if another one can be recorded in its traced step."""
        capture = self._capture if self._is_anew else None
        if isinstance(capture, FitCapture) and capture.has_step_of(model, optimizers):
            return capture
        return None

    def _begin(
        self, model: keras.Model, optimizers: Mapping[str, keras.optimizers.Optimizer]
    ) -> Measurement:
        """Makes the measurement; the run starts with the first epoch."""
        settings = self._settings
        self._describe(model, optimizers)
        return Measurement(self._variables, settings.statistics, settings.kind)

    def _describe(
        self, model: keras.Model, optimizers: Mapping[str, keras.optimizers.Optimizer]
    ) -> None:
        """Finds the weights and the facts of the run, and starts it if its epoch is known."""
        settings = self._settings
        if settings.probe:
            settings.probe.check(model)
        variables, weights, depths = recorded_weights(model, settings.layers)
        facts = {"model": model.name, "gradient": settings.kind, **depths, **known_facts(model)}
        facts |= {"optimizers": list(optimizers)}
        if len(optimizers) > 1:
            each = [optimizer_facts(optimizer) for optimizer in optimizers.values()]
            with suppress(ValueError):  # of a class of one's own
                check_facts({"optimizers": list(optimizers), "optimizer_settings": each})
                facts["optimizer_settings"] = each
        self._begun = weights, facts
        self._variables = variables
        if self._epoch is not None:
            self._start()

    def _start(self) -> None:
        """Starts the run, or goes on with it, once weights and epoch are known."""
        if self._begun is None or self._capture is None or self._epoch is None:
            return
        (weights, facts), self._begun = self._begun, None
        info, writes = {**provenance(), **facts, **self._settings.info}, is_first_process()
        model, _ = self._trained
        if not self.journal.is_open:
            size = norm_of(self._variables) if self._epoch else None
            first_steps = self.journal.open(weights, info, self._epoch, writes, size)
            self._capture.start_at(first_steps)
            self._known_labels = self.journal.labels
        elif self._recorded_model is not model:
            raise ValueError(
                "A recorder goes on with the model it began with; for another model make a new one."
                f" Received: model {model.name!r}, and {self.journal.run_dir} records another one"
            )
        elif (self.journal.weights, self._optimizers) == (weights, facts["optimizers"]):
            self.journal.go_on()
        else:
            self.journal.open_phase(weights, info, writes)
            self._known_labels = []
        self._recorded_model, self._optimizers = model, facts["optimizers"]
        if self.journal.is_written:
            self._telling.begin(self.journal.run_dir)

    def _tell(self) -> None:
        """Tells what the first rows show."""
        self._telling.add(self.journal.run_dir, self._labels)

    def _look(self, epoch: int) -> None:
        """Tells what has become certain, and ends a training that cannot recover, if asked to."""
        # The weights that are not recorded may move, and other processes would wait.
        may_stop = self._settings.layers is None and is_only_process()
        self._telling.end_epoch(self.journal.run_dir, epoch, may_stop)
        if self.stopped:
            self.journal.note("stopped", {"epoch": epoch, "reason": self.stopped})
            model, _ = self._trained
            model.stop_training = True

    def _stop(self, in_gradient: bool) -> None:
        """Ends the training at a value that is not finite, where that was asked for."""
        model, optimizers = self._trained
        # A loss scale that is too large shows so; the optimizer skips the step and lowers it.
        scales = [isinstance(o, keras.optimizers.LossScaleOptimizer) for o in optimizers.values()]
        if self._settings.on_nonfinite == "stop" and not (any(scales) and in_gradient):
            model.stop_training = True

    def _warn_once(self, message: str) -> None:
        """Tells that steps are missing."""
        if not self._told_of_missing_steps:
            self._told_of_missing_steps = True
            warn(message)

    def _warn_of_lost_steps(self) -> None:
        if self._capture and self._capture.lost:
            warn(
                f"{missing(self._capture.lost)}: one call of the training step has more steps "
                "of optimizers than are kept."
            )
            self._capture.lost = 0

    def _next_steps(self) -> list[int]:
        """The numbers with which to go on, after the rest of an interrupted training is written."""
        if not self._capture:
            return []
        self._capture.drain()
        self.journal.drop_norms()
        return self._capture.next_steps.tolist()

    def _leave(self) -> None:
        """Writes what is left when the process ends in the middle of a training."""
        with suppress(Exception):  # the backend may be gone
            self.end("interrupted")

    @property
    def _labels(self) -> dict[str, Any]:
        """What is known of the labels, for `run.json`."""
        labels = self._capture.labels if isinstance(self._capture, FitCapture) else []
        labels = joined_labels(self._known_labels, labels)
        return {"labels": labels} if labels else {}
