"""The callback: its arguments, and what it does as training begins, goes on and ends."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import keras

from keraskip.callbacks.book.tracker import Tracker
from keraskip.callbacks.book.warning import warn
from keraskip.callbacks.hook.arguments import checked_folder, checked_info, checked_settings
from keraskip.callbacks.hook.fit_capture import FitCapture, watch_fit
from keraskip.callbacks.hook.model_facts import all_frozen
from keraskip.callbacks.hook.own_loop import OwnLoop
from keraskip.callbacks.hook.record import Record
from keraskip.callbacks.hook.taps import trained_by
from keraskip.checks import check_integer
from keraskip.models.scopes import check_scopes

ALL_FROZEN = (
    "all layers of the model are frozen, so there is no gradient. "
    "Set `trainable = True` on the layers to train, and compile the model anew."
)
NO_OPTIMIZER = (
    "the model has no optimizer. Compile it with one, or make the optimizer of a training step of "
    "your own an attribute of the model or of one of its layers."
)


class GradientRecorder(OwnLoop, keras.callbacks.Callback):
    """Records what the gradient of the real training step does in every layer.

    For each trainable weight and each step of `fit`, from step 0, it keeps the gradient's L2 norm,
    its largest absolute value and its number of non-finite elements, the norm of the weight before
    the step, the norm of the update, and the share of elements that the update did not change
    (`w + dw == w`). They are computed inside the compiled step, on the gradient as it reaches the
    optimizer: not scaled, before clipping and accumulation. A step that only accumulates gradients
    has NaN for the last two.

    Each step also has its `loss` (of a `train_step` of your own, if it hands the loss to a metric
    called `loss` or `total_loss`, or returns it under such a name), its `learning_rate`, smallest,
    largest and mean value of its inputs (`input_min`, `input_max`, `input_mean`, of the finite
    ones) and the number of those that are not finite (`input_nonfinite`); its `loss_scale`, the
    factor by which mixed precision multiplies the loss (already taken out of the gradient and of
    `loss`); and its `clip_factor`, the norm of the whole gradient after clipping over the norm
    before. A number that is not known is NaN. `run.json` has the shares of the classes among the
    labels of the recorded steps, or mean and variance of other labels, and the settings of the
    training.

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
        verbose: 1 prints what is found; 0 is silent. 2 also shows, in a notebook, the cards and the
            large chart of the report below the cell, and redraws them after 1, 2, 4, 8, ... epochs,
            after others while that takes less than 1 % of the time, and at the end.
        on_finding: `"stop"` ends, after an epoch, a training that fails and cannot recover: weights
            are NaN, or no update has changed any weight in the second half of its steps. The status
            of the run is `"stopped"` then, and `stopped` in `run.json` has the reason. A record of
            some `layers` only, or of several JAX processes, ends no training. None goes on.

    Raises:
        ValueError: for other values of `every`, `statistics`, `kind`, `on_nonfinite`, `trackers`,
            `initial_epoch`, `verbose` or `on_finding`, `info` with a name of `run.json` and another
            kind of value, a bad regular expression and, when training
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
        settings = checked_settings(
            run_dir,
            every=every,
            layers=layers,
            statistics=statistics,
            kind=kind,
            on_nonfinite=on_nonfinite,
            tensorboard=tensorboard,
            trackers=trackers,
            probe=probe,
            info=info,
            overwrite=overwrite,
            initial_epoch=initial_epoch,
            verbose=verbose,
            on_finding=on_finding,
        )
        self.initial_epoch = settings.initial_epoch
        self._record = Record(settings)
        watch_fit()
        # Whether anything of the `fit` that runs is recorded.
        self._records = False

    @property
    def run_dir(self) -> Path:
        """The folder of the run; another one than asked for, where that held an earlier run."""
        return self._record.journal.run_dir

    def begin_anew(
        self, run_dir: str | Path, *, info: Mapping[str, Any] | None = None, initial_epoch: int = 0
    ) -> None:
        """Lets the next `fit` begin another run, as of the same model with the weights of a seed.

        Weights and optimizer stay as they are; set them as the new run needs them. On TensorFlow
        the training step is not traced anew if the model and its optimizers are the same, not
        compiled since. All other arguments of the recorder hold for the new run, too.

        Args:
            run_dir: the folder of the new run.
            info: further facts to keep in its `run.json`, as JSON values.
            initial_epoch: the epochs to keep of a run in the folder.

        Raises:
            TypeError, ValueError: as for the same arguments of the recorder.

        Example:

        >>> recorder.begin_anew("runs/mine_seed1")  # doctest: +SKIP
        >>> model.fit(x, y, callbacks=[recorder])  # doctest: +SKIP
        """
        first = check_integer("initial_epoch", initial_epoch, minimum=0)
        self._record.begin_anew(checked_folder(run_dir), checked_info(info), first)
        self.initial_epoch = first

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Hook into the training step."""
        check_scopes(self.model)
        optimizers = trained_by(self.model)
        self._records = not all_frozen(self.model) and bool(optimizers)
        if not self._records:
            return self._tell_why_not(ALL_FROZEN if all_frozen(self.model) else NO_OPTIMIZER)
        capture = partial(
            FitCapture,
            on_failure=partial(self._record.end, "interrupted"),
            goes_on_without=self._goes_on_without,
        )
        # Without an `initial_epoch` it is known once the first one begins: a backup may be
        # restored until then.
        self._record.attach(capture, self.model, optimizers, self.initial_epoch or None)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Start the run before the first epoch, or go on with it."""
        self._record.begin_epoch(epoch)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Write the steps of the epoch, and its logs."""
        if self._records:
            is_last = (self.params or {}).get("epochs") == epoch + 1
            self._record.end_epoch(epoch, {} if logs is None else logs, is_last)

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        """Write the rest and leave the training step as it was."""
        self._record.end("stopped" if self._record.stopped else "finished")

    def _tell_why_not(self, reason: str) -> None:
        """Tells why nothing of this training is recorded."""
        warn(f"Nothing is recorded: {reason}")

    def _goes_on_without(self, error: Exception) -> bool:
        """Whether the training goes on where its first step shows that it cannot be recorded."""
        return False

    def __repr__(self) -> str:
        return f"<GradientRecorder to {str(self.run_dir)!r}>"

    def note(self, key: str, fact: Mapping[str, Any]) -> None:
        """Adds a fact to the list under this key in `run.json`, once training has begun.

        Args:
            key: a name that is not taken there.
            fact: JSON values; with an `epoch` or a `step`, those that a resumed run repeats are
                dropped.
        """
        self._record.journal.note(key, fact)
