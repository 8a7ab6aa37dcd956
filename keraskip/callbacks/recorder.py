"""The callback: decides when to record and where to; what is measured it leaves to others."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keraskip.callbacks.capture import Capture
from keraskip.callbacks.provenance import provenance
from keraskip.callbacks.statistics import STATISTICS
from keraskip.callbacks.weights import weights_by_depth
from keraskip.runs import RunWriter


class GradientRecorder(keras.callbacks.Callback):
    """Records what the gradient of the real training step does in every layer.

    For each trainable weight and each step of `fit`, from step 0, it keeps the gradient's L2 norm,
    its largest absolute value and its number of non-finite elements, the norm of the weight before
    the step, the norm of the update, and the share of elements that the update did not change
    (`w + dw == w`). They are computed inside the compiled step, on the gradient as it reaches the
    optimizer, before clipping.

    A second `fit` with the same recorder goes on with the same run; a new recorder starts a new
    one, in place of an earlier run in the same folder. If the folder can no longer be written
    during training, recording stops with a warning and training goes on.

    Args:
        run_dir: the folder to write, for `keraskip.load_run` and `keraskip.compare`.
        info: further facts to keep in `run.json`, as JSON values.

    Raises:
        OSError: when training begins, if the folder cannot be written.

    Example:

    >>> model.fit(x, y, callbacks=[GradientRecorder("runs/mine")])  # doctest: +SKIP
    >>> keraskip.load_run("runs/mine").grad_norm.shape  # doctest: +SKIP
    (45, 114)
    """

    def __init__(self, run_dir: str | Path, *, info: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self._run_dir = Path(run_dir)
        self._info = dict(info or {})
        self._writer: RunWriter | None = None
        self._capture: Capture | None = None
        self._steps = 0

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Start the run, or go on with it, and hook into the training step."""
        variables, rows, order = weights_by_depth(self.model)
        if self._writer is None:
            info = {**provenance(), "model": self.model.name, "depth_from": order, **self._info}
            self._writer = RunWriter(self._run_dir, info, rows, STATISTICS)
        self._writer.mark("running")
        self._capture = Capture(self.model, variables, self._append, self._on_failure)
        self._capture.attach()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Write what the epoch recorded, and its logs."""
        if self._capture:
            self._capture.drain()
        if self._writer:
            metrics = {name: float(value) for name, value in (logs or {}).items()}
            self._write(self._writer.add_epoch, {"epoch": epoch, "steps": self._steps, **metrics})

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        """Write the rest and leave the training step as it was."""
        self._end("finished")

    def _on_failure(self, error: BaseException) -> None:
        self._end("interrupted")

    def _end(self, status: str) -> None:
        if self._capture:
            self._capture.drain()
            self._capture.detach()
            self._capture = None
        if self._writer:
            self._write(self._writer.mark, status)

    def _append(self, values: np.ndarray) -> None:
        if self._writer:
            steps = self._steps + np.arange(len(values))
            self._write(self._writer.append, steps, values)
            self._steps += len(values)

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
