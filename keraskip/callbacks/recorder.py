"""The callback: decides when to record and where to; what is measured it leaves to others."""

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keraskip.callbacks.capture import Capture
from keraskip.callbacks.nonfinite import NonFinite
from keraskip.callbacks.provenance import provenance
from keraskip.callbacks.statistics import STATISTICS
from keraskip.callbacks.summary import EpochNorms
from keraskip.callbacks.weights import weights_by_depth
from keraskip.runs import RunWriter

ON_NONFINITE = ("warn", "stop", "ignore")


class GradientRecorder(keras.callbacks.Callback):
    """Records what the gradient of the real training step does in every layer.

    For each trainable weight and each step of `fit`, from step 0, it keeps the gradient's L2 norm,
    its largest absolute value and its number of non-finite elements, the norm of the weight before
    the step, the norm of the update, and the share of elements that the update did not change
    (`w + dw == w`). They are computed inside the compiled step, on the gradient as it reaches the
    optimizer: not scaled, before clipping and accumulation. Where gradients are accumulated, each
    step that only does so has NaN for the last two.

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
        on_nonfinite: what to do at the first gradient that is NaN or infinite, and at such
            statistics of batch normalisation: `"warn"`, which names step and layer; `"stop"`,
            which also ends the training, unless the optimizer skips such steps to find the scale
            of the loss; `"ignore"`. It is noticed when steps are written, as a rule after 64
            recorded ones and at the end of an epoch, and kept in `run.json`.
        info: further facts to keep in `run.json`, as JSON values.

    Raises:
        ValueError: for other values of `every` or `on_nonfinite`, a bad regular expression and,
            when training begins, if `layers` leaves no weight.
        TypeError: for arguments of another type.
        OSError: when training begins, if the folder cannot be written.

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
        on_nonfinite: str = "warn",
        info: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self._due = _schedule(every)
        self._layers = _filter(layers)
        if on_nonfinite not in ON_NONFINITE:
            raise ValueError(
                f"on_nonfinite must be one of {ON_NONFINITE}. "
                f"Received: on_nonfinite={on_nonfinite!r}"
            )
        self._on_nonfinite = on_nonfinite
        self._run_dir = Path(run_dir)
        self._info = dict(info or {})
        self._writer: RunWriter | None = None
        self._capture: Capture | None = None
        self._weights: list[dict[str, Any]] = []
        self._norms, self._nonfinite = EpochNorms([]), NonFinite([])
        self._recorded = 0

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Start the run, or go on with it, and hook into the training step."""
        if self._capture:
            self._capture.drain()
            self._norms.take()
        first_step = self._capture.next_step if self._capture else 0
        self._capture = Capture(
            self.model, self._begin, self._append, self._on_failure, self._due, first_step
        )
        self._capture.attach()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Write what the epoch recorded, and its logs."""
        if self._capture:
            self._capture.drain()
        logs = {} if logs is None else logs
        logs |= self._norms.take()
        if self._writer:
            row = {"epoch": epoch, "steps": self._recorded}
            metrics = {name: float(value) for name, value in logs.items() if not np.ndim(value)}
            self._write(self._writer.add_epoch, row | metrics)
        if self._on_nonfinite != "ignore":
            self._report(self._nonfinite.in_statistics(self.model, epoch))

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        """Write the rest and leave the training step as it was."""
        self._end("finished")

    def _begin(self) -> Sequence[keras.Variable]:
        variables, weights, order = weights_by_depth(self.model, self._layers)
        if not self._weights:
            facts = {"model": self.model.name, "depth_from": order, "gradient": "raw"}
            info = {**provenance(), **facts, **self._info}
            if _is_first_process():
                self._writer = RunWriter(self._run_dir, info, weights, STATISTICS)
            self._weights = weights
            self._norms, self._nonfinite = EpochNorms(weights), NonFinite(weights)
        elif weights != self._weights:
            raise ValueError(
                "A recorder goes on with the weights it began with; for another model make a new "
                f"one. Received: model {self.model.name!r} with {len(weights)} weights to record, "
                f"before {len(self._weights)}"
            )
        if self._writer:
            self._write(self._writer.mark, "running")
        return variables

    def _on_failure(self, error: BaseException) -> None:
        self._end("interrupted")

    def _end(self, status: str) -> None:
        if self._capture:
            self._capture.drain()
            self._capture.detach()
        if self._writer:
            self._write(self._writer.mark, status)

    def _append(self, steps: np.ndarray, values: np.ndarray) -> None:
        self._recorded += len(steps)
        self._norms.add(values)
        if self._writer:
            self._write(self._writer.append, steps, values)
        self._report(self._nonfinite.in_gradients(steps, values))

    def _report(self, finding: dict[str, Any] | None) -> None:
        """Tells of the first value that is not finite."""
        if finding is None or self._on_nonfinite == "ignore":
            return
        warnings.warn(f"{self._run_dir}: {finding['message']}", stacklevel=2)
        if self._writer:
            self._write(self._writer.note, "nonfinite", finding)
        # A loss scale that is too large shows so; the optimizer skips the step and lowers it.
        skipped = isinstance(self.model.optimizer, keras.optimizers.LossScaleOptimizer)
        if self._on_nonfinite == "stop" and not (skipped and "step" in finding):
            self.model.stop_training = True

    def _write(self, write: Callable[..., None], *arguments: Any) -> None:
        """Training is worth more than its record: a full disk ends the record alone."""
        try:
            write(*arguments)
        except OSError as error:
            warnings.warn(
                f"Recording to {self._run_dir} has stopped, training goes on: {error}",
                stacklevel=2,
            )
            self._writer = None


def _is_first_process() -> bool:
    """Of several that train one model together, as `keras.distribution.initialize` makes them."""
    if keras.backend.backend() != "jax":
        return True
    import jax

    return jax.process_index() == 0


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
