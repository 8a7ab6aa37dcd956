"""The callback: its arguments, and when a record begins and ends."""

import atexit
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import keras

from keraskip.callbacks.book.journal import Journal
from keraskip.callbacks.book.telling import Telling
from keraskip.callbacks.book.tracker import Tracker
from keraskip.callbacks.book.trackers import Trackers, made_trackers
from keraskip.callbacks.columns import Rows, columns_of
from keraskip.callbacks.hook.arguments import (
    all_statistics,
    checked_filter,
    checked_folder,
    checked_info,
    made_probe,
    schedule,
)
from keraskip.callbacks.hook.capture import Capture
from keraskip.callbacks.hook.fit_capture import FitCapture, watch_fit
from keraskip.callbacks.hook.model_facts import (
    all_frozen,
    is_first_process,
    is_only_process,
    moving_averages,
    norm_of,
)
from keraskip.callbacks.hook.provenance import provenance
from keraskip.callbacks.hook.recorded_weights import recorded_weights
from keraskip.callbacks.hook.taps import trained_by
from keraskip.callbacks.hook.training_facts import known_facts
from keraskip.callbacks.step.measurement import KINDS, Measurement
from keraskip.checks import check_choice, check_integer

ON_NONFINITE = ("warn", "stop", "ignore")
VERBOSE = (0, 1, False, True)
ON_FINDING = (None, "stop")
NO_OPTIMIZER = (
    "Nothing is recorded: the model has no optimizer. Compile it with one, or make the optimizer "
    "of a training step of your own an attribute of the model or of one of its layers."
)
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


class GradientRecorder(keras.callbacks.Callback):
    """Records what the gradient of the real training step does in every layer.

    For each trainable weight and each step of `fit`, from step 0, it keeps the gradient's L2 norm,
    its largest absolute value and its number of non-finite elements, the norm of the weight before
    the step, the norm of the update, and the share of elements that the update did not change
    (`w + dw == w`). They are computed inside the compiled step, on the gradient as it reaches the
    optimizer: not scaled, before clipping and accumulation. A step that only accumulates gradients
    has NaN for the last two.

    Each step also has its `loss` (of a `train_step` of your own, if it hands the loss to a metric
    called `loss` or `total_loss`), its `learning_rate`, smallest, largest and mean value of its
    inputs (`input_min`, `input_max`, `input_mean`, of the finite ones) and the number of those that
    are not finite (`input_nonfinite`); its `loss_scale`, the factor by which mixed precision
    multiplies the loss (already taken out of the gradient and of `loss`); and its `clip_factor`,
    the norm of the whole gradient after clipping over the norm before. What is not known is NaN.
    `run.json` has the shares of the classes among the labels of the recorded steps, or mean and
    variance of other labels, and the settings of the training.

    The logs of each epoch get `grad_norm`, the mean norm of the whole gradient, and
    `grad_norm_first` and `grad_norm_last`, the mean norms for the kernels nearest to the input and
    to the output. Progress bar and history show them, and callbacks that come later in the list,
    such as `CSVLogger` and `TensorBoard`, keep them too.

    A second `fit` of the model with the same recorder goes on with the same run; if layers were
    frozen or unfrozen in between, in a folder beside it, because the weights differ. A new recorder
    starts a new run. If the folder has one already, the new one is written beside it, to `run_dir`
    with `-2`, `-3` and so on, and a warning names it. A training that is started again after an
    epoch, by `BackupAndRestore` or `fit(initial_epoch=...)`, goes on with the run that it left. If
    the folder can no longer be written during training, recording stops with a warning and training
    goes on.

    However `fit` ends, what was measured is written. After an exception, such as Ctrl-C or the stop
    button of a notebook, or where the process ends in the middle of it, the status of the run is
    `"interrupted"`, and the next `fit` works.

    While it trains it prints, once for each kind, what is wrong, with a remedy: before the first
    step or right after it what needs no training, such as a softmax over one unit; after an epoch
    what has become certain, because each look has found it for as long again as the training took
    before, or because weights are NaN. It looks after 1, 2, 4, 8, ... epochs, and after others
    while looks take less than 1 % of the time. At the end it prints the diagnosis in at most six
    lines; a training that goes well prints one. A record above 256 MiB is not read in between.

    On several devices (`tf.distribute.MirroredStrategy`, `keras.distribution.DataParallel`) the
    gradient is the one of the whole batch. Of several JAX processes the first one writes.

    Args:
        run_dir: the folder to write, for `keraskip.load_run` and `keraskip.compare`.
        every: record each n-th step, from step 0; or a function of the step's number that says
            whether to record it. The steps between run without any measurement; with
            `steps_per_execution`, the executions without such a step do. A step is one call of
            `model.optimizer`.
        layers: the weights to record, as a regular expression to be found in the path, such as
            `stem_conv/kernel`, or a function of the path. By default all trainable ones.
        statistics: further statistics to record, any of:
            `"cosine"`, the cosine of the angle between the gradients of this recorded step and of
            the last one;
            `"snr"`, the signal-to-noise ratio of the gradient: the norm of its mean over the last
            steps (moving averages, about 20 recorded steps long) over its standard deviation;
            `"zeros"`, the share of elements that are exactly 0;
            `"below_float16"`, the share of elements that are not 0, but below the smallest normal
            number of float16, 2^-14;
            `"histogram"`, the share of elements in each decade of absolute values, as `decade_-16`
            to `decade_1`, where `decade_-5` is from 1e-5 to 1e-4, and the outermost decades also
            hold what lies beyond them.
            `"cosine"` keeps one copy of the weights, `"snr"` two; for elements below about 1e-19,
            whose squares underflow, the latter is NaN. A recorded step takes memory for up to three
            copies in any case.
        kind: which gradient: `"raw"`, or `"effective"`, which the optimizer uses: the mean of
            accumulated gradients, after clipping. Steps that only accumulate have NaN there.
        on_nonfinite: the reaction to the first gradient that is NaN or infinite, and to such moving
            averages of batch normalisation: `"warn"`, which names step and layer; `"stop"`, which
            also ends the training, unless the optimizer skips such steps to find the scale of the
            loss; `"ignore"`. It is noticed when steps are written, as a rule after 64 recorded ones
            and at the end of an epoch, and kept in `run.json`.
        tensorboard: short for `trackers=["tensorboard"]`.
        trackers: where to show the norms of every weight's gradient and update as curves over the
            step, and histograms of its gradient, along with the statistic `"histogram"`. Any of:
            `"tensorboard"`, which writes to the folder `tensorboard` in `run_dir`;
            `"wandb"`, Weights & Biases, online or offline: into the run that is active, which is
            left open, or else into one of its own. In a run of yours, call `wandb.log` without
            `step`: W&B drops values of a step that is behind its count of calls;
            `"mlflow"`, in the same way. MLflow stores each value by itself, which takes time: for
            networks with many weights use `every` or `layers`;
            an object with the methods of `keraskip.callbacks.book.tracker.Tracker`.
            Each name needs the package that is called so: `pip install 'keraskip[wandb]'`. A
            tracker that fails stops with a warning, and record and training go on. A training that
            is started again goes on with the curves; W&B and MLflow keep the steps that an
            interrupted epoch had shown, which then appear twice.
        probe: a batch `(x, y)` on which to look into a functional model after each epoch, outside
            of the training step: the gradient of the loss with respect to the outputs of layers and
            to the input of recurrent layers at each time step, the share of residual branches, dead
            units, shattered gradients. `x` and `y` are arrays, or lists or dicts of arrays, as in
            `fit`. `Run.probes` has the values, and `keraskip.callbacks.hook.probe.Probe.look`
            defines them.
        info: further facts to keep in `run.json`, as JSON values.
        overwrite: whether a new run replaces an earlier one in the folder.
        initial_epoch: as in `fit`; needed only for a training that goes back in a finished run: the
            run in the folder keeps this many epochs, later records are dropped, and the new steps
            follow. `"cosine"` and `"snr"` begin anew there.
        verbose: 1 prints what is found; 0 is silent.
        on_finding: `"stop"` ends, after an epoch, a training that fails and cannot recover: weights
            are NaN, or no update has changed any weight in the second half of its steps. The status
            of the run is `"stopped"` then, and `stopped` in `run.json` has the reason. A record of
            some `layers` only, or of several JAX processes, ends no training. None goes on.

    Raises:
        ValueError: for other values of `every`, `statistics`, `kind`, `on_nonfinite`, `trackers`,
            `initial_epoch`, `verbose` or `on_finding`, a bad regular expression and, when training
            begins, if `layers` leaves no weight, the run in the folder has fewer epochs, another
            recorder records the model, or this one has recorded another model.
        TypeError: for arguments of another type.
        OSError: when training begins, if the folder cannot be written.
        ImportError: for a tracker whose package is not installed.

    Example:

    >>> model.fit(x, y, callbacks=[GradientRecorder("runs/mine")])  # doctest: +SKIP
    >>> keraskip.load_run("runs/mine").grad_norm.shape  # doctest: +SKIP
    (45, 114)
    """

    def __init__(
        self,
        run_dir: str | Path,
        *,
        every: int | Callable[[int], bool] = 1,
        layers: str | Callable[[str], bool] | None = None,
        statistics: Sequence[str] = (),
        kind: str = "raw",
        on_nonfinite: str = "warn",
        tensorboard: bool = False,
        trackers: Sequence[str | Tracker] = (),
        probe: tuple[Any, Any] | None = None,
        info: Mapping[str, Any] | None = None,
        overwrite: bool = False,
        initial_epoch: int = 0,
        verbose: int = 1,
        on_finding: str | None = None,
    ) -> None:
        super().__init__()
        check_choice("kind", kind, KINDS)
        check_choice("on_nonfinite", on_nonfinite, ON_NONFINITE)
        check_choice("verbose", verbose, VERBOSE)
        check_choice("on_finding", on_finding, ON_FINDING)
        shown_by = made_trackers(trackers, tensorboard)
        self.initial_epoch = check_integer("initial_epoch", initial_epoch, minimum=0)
        self._due = schedule(every)
        self._layers = checked_filter(layers)
        self._statistics = all_statistics([*statistics, "histogram"] if shown_by else statistics)
        self._kind, self._probe, self._info = kind, made_probe(probe), checked_info(info)
        self._on_nonfinite = on_nonfinite
        self._journal = Journal(
            checked_folder(run_dir),
            columns_of(self._statistics),
            on_nonfinite != "ignore",
            self._stop,
            Trackers(shown_by),
            self.initial_epoch,
            overwrite,
        )
        self._telling = Telling(bool(verbose), on_finding == "stop")
        watch_fit()
        self._capture: Capture | None = None
        # Whether anything of the `fit` that runs is recorded.
        self._records = False
        self._told_of_missing_steps = False
        # The model of the run so far, the names of its optimizers, and the recorded weights.
        self._recorded_model: keras.Model | None = None
        self._optimizers: list[str] = []
        self._variables: list[keras.Variable] = []
        # Weights and facts of a run that has not started, and the epoch that runs.
        self._begun: tuple[list[dict[str, Any]], dict[str, Any]] | None = None
        self._epoch: int | None = None

    @property
    def run_dir(self) -> Path:
        """The folder of the run; another one than asked for, where that held an earlier run."""
        return self._journal.run_dir

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Hook into the training step."""
        self._records = False
        if all_frozen(self.model):
            warnings.warn(
                "Nothing is recorded: all layers of the model are frozen, so there is no gradient. "
                "Set `trainable = True` on the layers to train, and compile the model anew.",
                stacklevel=2,
            )
            return
        optimizers = trained_by(self.model)
        if not optimizers:
            warnings.warn(NO_OPTIMIZER, stacklevel=2)
            return
        # Known here only where it was asked for; a backup may be restored after this.
        self._epoch, next_steps = self.initial_epoch or None, self._next_steps()
        self._capture = FitCapture(
            self.model,
            optimizers,
            lambda: self._end("interrupted"),
            partial(self._begin, self.model, optimizers),
            self._append,
            self._due,
            next_steps,
        )
        self._capture.attach()
        atexit.register(self._leave)
        self._records = True

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Start the run before the first epoch, or go on with it."""
        self._telling.print_waiting()
        if self._epoch is None:
            self._epoch = epoch
            self._start()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Write the steps of the epoch, and its logs."""
        if not self._capture or not self._records:
            return
        if not self._capture.is_attached:
            return self._warn_once(STEP_MADE_ANEW)
        self._capture.drain()
        if not self._capture.has_counted:
            return self._warn_once(NO_STEP)
        next_steps = self._capture.next_steps.tolist()
        self._describe_labels()
        size = norm_of(self._variables)
        self._journal.end_epoch(epoch, next_steps, {} if logs is None else logs, size)
        if self._capture.lost:
            warnings.warn(
                f"{self._capture.lost} steps are missing in the record: one call of the training "
                "step has more steps of optimizers than are kept.",
                stacklevel=2,
            )
            self._capture.lost = 0
        if self._probe and self._journal.is_written:
            self._journal.add_probes(epoch, self._probe.look(self.model))
        if self._journal.is_open and self._on_nonfinite != "ignore":
            self._journal.check_moving_averages(epoch, moving_averages(self.model))
        # The last epoch's look is the diagnosis at the end.
        if self._journal.is_written and (self.params or {}).get("epochs") != epoch + 1:
            self._look(epoch)

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        """Write the rest and leave the training step as it was."""
        self._end("stopped" if self._telling.stopped else "finished")

    def __repr__(self) -> str:
        return f"<GradientRecorder to {str(self.run_dir)!r}>"

    def note(self, key: str, fact: Mapping[str, Any]) -> None:
        """Adds a fact to the list under this key in `run.json`, once training has begun.

        Args:
            key: a name that is not taken there.
            fact: JSON values; with an `epoch` or a `step`, those that a resumed run repeats are
                dropped.
        """
        self._journal.note(key, fact)

    @contextmanager
    def recording(
        self, model: keras.Model, optimizer: keras.optimizers.Optimizer | None = None
    ) -> Iterator[Callable[..., None]]:
        """Records a training loop of your own, which calls the optimizer itself.

        The step may be compiled, but must be traced inside of the context. All steps are measured,
        also those that `every` leaves out of the record.

        Args:
            model: the model that is trained.
            optimizer: what trains it, by default that with which it was compiled. The loop must
                call its `apply` or `apply_gradients`; on JAX its `stateless_apply`, with the
                values of `optimizer.variables` taken, and written back, inside of the context,
                where the record travels with them.

        Returns:
            A context manager that gives a function to call after each training step; on JAX with
            the optimizer's variables that the step returned.

        Raises:
            ValueError: for a model without an optimizer.

        Example:

        >>> with GradientRecorder("runs/mine").recording(model) as step_done:  # doctest: +SKIP
        ...     for x, y in batches:
        ...         train_step(x, y)  # calls model.optimizer.apply(gradients, variables)
        ...         step_done()
        """
        optimizer = optimizer or getattr(model, "optimizer", None)
        if optimizer is None:
            raise ValueError(
                "recording needs an optimizer: compile the model, or pass it. "
                f"Received: optimizer=None, model {model.name!r}"
            )
        self._epoch, optimizers = self.initial_epoch, {"optimizer": optimizer}
        begin = partial(self._begin, model, optimizers)
        capture = Capture(model, optimizers, begin, self._append, self._due, self._next_steps())
        self._capture = capture
        capture.attach()
        atexit.register(self._leave)
        (first,) = capture.next_steps
        status = "interrupted"
        try:
            yield capture.after_call
            status = "finished"
        finally:
            self._end(status)
        (end,) = capture.next_steps
        if end == first or capture.lost:
            warnings.warn(
                f"{capture.lost} steps are missing in the record of {end}. Call the "
                "function that `recording` gives after each step, and trace the step inside of it.",
                stacklevel=3,
            )

    def _begin(
        self, model: keras.Model, optimizers: Mapping[str, keras.optimizers.Optimizer]
    ) -> Measurement:
        """Makes the measurement; the run starts with the first epoch."""
        self._trained = model, optimizers
        if self._probe:
            self._probe.check(model)
        variables, weights, depths = recorded_weights(model, self._layers)
        facts = {"model": model.name, "gradient": self._kind, **depths, **known_facts(model)}
        self._begun = weights, {**facts, "optimizers": list(optimizers)}
        self._variables = variables
        if self._epoch is not None:
            self._start()
        return Measurement(variables, self._statistics, self._kind)

    def _start(self) -> None:
        """Starts the run, or goes on with it, once weights and epoch are known."""
        if self._begun is None or self._capture is None or self._epoch is None:
            return
        (weights, facts), self._begun = self._begun, None
        info, writes = {**provenance(), **facts, **self._info}, is_first_process()
        model, _ = self._trained
        if not self._journal.is_open:
            size = norm_of(self._variables) if self._epoch else None
            first_steps = self._journal.open(weights, info, self._epoch, writes, size)
            self._capture.start_at(first_steps)
        elif self._recorded_model is not model:
            raise ValueError(
                "A recorder goes on with the model it began with; for another model make a new "
                f"one. Received: model {model.name!r}, another one than that of {self.run_dir}"
            )
        elif (self._journal.weights, self._optimizers) == (weights, facts["optimizers"]):
            self._journal.go_on()
        else:
            self._journal.open_phase(weights, info, writes)
        self._recorded_model, self._optimizers = model, facts["optimizers"]
        if self._journal.is_written:
            self._telling.begin(self.run_dir)

    def _look(self, epoch: int) -> None:
        """Tells what has become certain, and ends a training that cannot recover, if asked to."""
        # The weights that are not recorded may move, and other processes would wait.
        may_stop = self._layers is None and is_only_process()
        self._telling.end_epoch(self.run_dir, epoch, may_stop)
        if self._telling.stopped:
            self._journal.note("stopped", {"epoch": epoch, "reason": self._telling.stopped})
            self.model.stop_training = True

    def _append(self, rows: Rows) -> None:
        """Keeps rows, and tells what the first ones show."""
        self._journal.append(rows)
        if self._journal.is_written:
            self._telling.add(self.run_dir, self._labels)

    def _stop(self, in_gradient: bool) -> None:
        """Ends the training at a value that is not finite, where that was asked for."""
        model, optimizers = self._trained
        # A loss scale that is too large shows so; the optimizer skips the step and lowers it.
        scales = [isinstance(o, keras.optimizers.LossScaleOptimizer) for o in optimizers.values()]
        if self._on_nonfinite == "stop" and not (any(scales) and in_gradient):
            model.stop_training = True

    def _warn_once(self, message: str) -> None:
        """Tells that steps are missing."""
        if not self._told_of_missing_steps:
            self._told_of_missing_steps = True
            warnings.warn(message, stacklevel=3)

    def _next_steps(self) -> list[int]:
        """The numbers with which to go on, after the rest of an interrupted training is written."""
        if not self._capture:
            return []
        self._capture.drain()
        self._journal.drop_norms()
        return self._capture.next_steps.tolist()

    def _leave(self) -> None:
        """Writes what is left when the process ends in the middle of a training."""
        with suppress(Exception):  # the backend may be gone
            self._end("interrupted")

    def _end(self, status: str) -> None:
        atexit.unregister(self._leave)
        if self._capture:
            self._capture.drain()
            self._describe_labels()
            self._capture.detach()
        self._journal.end(status)
        if self._journal.is_written and status != "interrupted":
            self._telling.end(self.run_dir)

    @property
    def _labels(self) -> dict[str, Any]:
        """What is known of the labels, for `run.json`."""
        labels = self._capture.labels if isinstance(self._capture, FitCapture) else []
        return {"labels": labels} if labels else {}

    def _describe_labels(self) -> None:
        self._journal.describe(self._labels)
