"""The callback: what is asked of the record, and when it begins and ends."""

import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keraskip.callbacks.capture import Capture
from keraskip.callbacks.fit_capture import FitCapture
from keraskip.callbacks.measurement import KINDS
from keraskip.callbacks.probe import Probe
from keraskip.callbacks.record import Record
from keraskip.callbacks.statistics import FURTHER, STATISTICS

ON_NONFINITE = ("warn", "stop", "ignore")


class GradientRecorder(keras.callbacks.Callback):
    """Records what the gradient of the real training step does in every layer.

    For each trainable weight and each step of `fit`, from step 0, it keeps the gradient's L2 norm,
    its largest absolute value and its number of non-finite elements, the norm of the weight before
    the step, the norm of the update, and the share of elements that the update did not change
    (`w + dw == w`). They are computed inside the compiled step, on the gradient as it reaches the
    optimizer: not scaled, before clipping and accumulation. Where gradients are accumulated, each
    step that only does so has NaN for the last two. Each step also has its `loss_scale`, by which
    mixed precision multiplies the loss (already taken out of the gradient), and its `clip_factor`,
    the norm of the whole gradient after clipping over that before.

    The logs of each epoch get `grad_norm`, the mean norm of the whole gradient, and
    `grad_norm_first` and `grad_norm_last`, those of the kernels nearest to the input and to the
    output. So progress bar and history show them, and callbacks that come later in the list, such
    as `CSVLogger` and `TensorBoard`, keep them too.

    A second `fit` with the same recorder goes on with the same run; a new recorder starts a new
    one, in place of an earlier run in the same folder. If the folder can no longer be written
    during training, recording stops with a warning and training goes on.

    On several devices (`tf.distribute.MirroredStrategy`, `keras.distribution.DataParallel`) the
    gradient is that of the whole batch; of several JAX processes the first one writes.

    Args:
        run_dir: the folder to write, for `keraskip.load_run` and `keraskip.compare`.
        every: record each n-th step, from step 0; or a function that says of a step's number
            whether to record it. The steps between run without any measurement, with
            `steps_per_execution` the executions that hold no such step. A step is one call of
            `model.optimizer`.
        layers: which weights, as a regular expression to be found in the path, such as
            `stem_conv/kernel`, or a function of the path. By default all trainable ones.
        statistics: what to record besides, any of:
            `"cosine"`, of the angle between the gradients of this recorded step and the last;
            `"snr"`, the signal-to-noise ratio of the gradient: the norm of its mean over the last
            steps (moving averages, about 20 recorded steps long) over its standard deviation;
            `"zeros"`, the share of elements that are exactly 0;
            `"below_float16"`, the share of those that are not 0, but below the smallest normal
            number of float16, 2^-14;
            `"histogram"`, the share of elements in each decade of absolute values, as `decade_-16`
            to `decade_1`, where `decade_-5` is from 1e-5 to 1e-4, and the outermost ones also hold
            what is beyond them.
            `"cosine"` keeps one copy of the weights, `"snr"` two; for elements below about 1e-19,
            whose squares vanish, the latter is NaN. A recorded step takes memory for up to three
            copies in any case.
        kind: which gradient: `"raw"`, or `"effective"`, which the optimizer uses: the mean of
            accumulated gradients, after clipping. Steps that only accumulate have NaN there.
        on_nonfinite: what to do at the first gradient that is NaN or infinite, and at such
            statistics of batch normalisation: `"warn"`, which names step and layer; `"stop"`,
            which also ends the training, unless the optimizer skips such steps to find the scale
            of the loss; `"ignore"`. It is noticed when steps are written, as a rule after 64
            recorded ones and at the end of an epoch, and kept in `run.json`.
        tensorboard: whether to write curves and histograms of every weight for TensorBoard too,
            to the folder `tensorboard` in `run_dir`, along with the statistic `"histogram"`. Needs
            the package of that name: `pip install 'keraskip[tensorboard]'`.
        probe: a batch `(x, y)` on which to look into a functional model after each epoch, outside
            of the training step: the gradient of the loss with respect to what layers give, the
            share of residual branches, dead units, shattered gradients. `Run.probes` has them,
            and `keraskip.callbacks.probe.Probe.look` says what they are.
        info: further facts to keep in `run.json`, as JSON values.
        initial_epoch: as in `fit`, for a training that goes on from a checkpoint, in a new process
            too: the run in the folder keeps so many epochs, what was recorded after them is
            dropped, and the new steps follow. `"cosine"` and `"snr"` begin anew there, and the
            files for TensorBoard keep what they have.

    Raises:
        ValueError: for other values of `every`, `statistics`, `kind`, `on_nonfinite` or
            `initial_epoch`, a bad regular expression and, when training begins, if `layers` leaves
            no weight or the run in the folder has fewer epochs.
        TypeError: for arguments of another type.
        OSError: when training begins, if the folder cannot be written.
        ImportError: for `tensorboard=True` where TensorBoard is not installed.

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
        probe: tuple[Any, Any] | None = None,
        info: Mapping[str, Any] | None = None,
        initial_epoch: int = 0,
    ) -> None:
        super().__init__()
        _check_choice("kind", kind, KINDS)
        _check_choice("on_nonfinite", on_nonfinite, ON_NONFINITE)
        if tensorboard and not find_spec("tensorboard"):
            raise ImportError(
                "tensorboard=True needs TensorBoard: pip install 'keraskip[tensorboard]'"
            )
        if not isinstance(initial_epoch, int) or initial_epoch < 0:
            raise ValueError(
                "initial_epoch must be a number of epochs, 0 for a new run. "
                f"Received: initial_epoch={initial_epoch!r}"
            )
        self.initial_epoch = initial_epoch
        self._due = _schedule(every)
        self._record = Record(
            Path(run_dir),
            _filter(layers),
            _statistics([*statistics, "histogram"] if tensorboard else statistics),
            kind,
            on_nonfinite,
            tensorboard,
            _probe(probe),
            dict(info or {}),
            initial_epoch,
        )
        self._capture: Capture | None = None

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Start the run, or go on with it, and hook into the training step."""
        first_step = self._next_step()
        self._capture = FitCapture(
            self.model,
            lambda error: self._end("interrupted"),
            partial(self._record.begin, self.model, self.model.optimizer),
            self._record.append,
            self._due,
            first_step,
        )
        self._capture.attach()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Write what the epoch recorded, and its logs."""
        if self._capture:
            self._capture.drain()
            next_step = self._capture.next_step
            self._record.end_epoch(epoch, next_step, {} if logs is None else logs)

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        """Write the rest and leave the training step as it was."""
        self._end("finished")

    def note(self, key: str, fact: Mapping[str, Any]) -> None:
        """Adds a fact to the list under this key in `run.json`, once training has begun.

        Args:
            key: a name that is not taken there.
            fact: JSON values; with an `epoch` or a `step`, those that a resumed run repeats are
                dropped.
        """
        self._record.note(key, fact)

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
        first_step = self._next_step()
        begin = partial(self._record.begin, model, optimizer)
        capture = Capture(model, optimizer, begin, self._record.append, self._due, first_step)
        self._capture = capture
        capture.attach()
        status = "interrupted"
        try:
            yield capture.after_call
            status = "finished"
        finally:
            self._end(status)
        if capture.next_step == first_step or capture.lost:
            warnings.warn(
                f"{capture.lost} steps are missing in the record of {capture.next_step}. Call the "
                "function that `recording` gives after each step, and trace the step inside of it.",
                stacklevel=3,
            )

    def _next_step(self) -> int:
        """The number with which to go on, after the rest of an interrupted training is written."""
        if not self._capture:
            return self._record.resume()
        self._capture.drain()
        self._record.drop_norms()
        return self._capture.next_step

    def _end(self, status: str) -> None:
        if self._capture:
            self._capture.drain()
            self._capture.detach()
        self._record.end(status)


def _check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {tuple(choices)}. Received: {name}={value!r}")


def _statistics(further: Sequence[str]) -> tuple[str, ...]:
    """All statistics to record."""
    if isinstance(further, str):
        raise TypeError(
            f"statistics must be a list of names, such as [{further!r}]. "
            f"Received: statistics={further!r}"
        )
    for name in further:
        _check_choice("Each of statistics", name, FURTHER)
    return STATISTICS + tuple(name for name in FURTHER if name in further)


def _probe(batch: Any) -> Probe | None:
    if batch is None:
        return None
    if not isinstance(batch, tuple | list) or len(batch) != 2 or len(batch[0]) != len(batch[1]):
        raise ValueError(
            "probe must be a pair (x, y) of as many images as labels. "
            f"Received: {type(batch).__name__} of {[np.shape(part) for part in batch]}"
        )
    return Probe(*batch)


def _schedule(every: int | Callable[[int], bool]) -> Callable[[int], bool]:
    if callable(every):
        return every
    if isinstance(every, bool) or not isinstance(every, int | np.integer):
        raise TypeError(f"every must be an integer or a function. Received: every={every!r}")
    if every < 1:
        raise ValueError(f"every must be at least 1. Received: every={every} (nearest: 1)")
    return lambda step: step % every == 0


def _filter(layers: Any) -> str | Callable[[str], bool] | None:
    if layers is not None and not isinstance(layers, str) and not callable(layers):
        raise TypeError(
            f"layers must be a regular expression or a function. Received: layers={layers!r}"
        )
    if isinstance(layers, str):
        try:
            re.compile(layers)
        except re.error as error:
            raise ValueError(
                f"layers must be a regular expression: {error}. Received: layers={layers!r}"
            ) from None
    return layers
