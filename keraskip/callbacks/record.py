"""What becomes of the recorded steps: the run folder, the epoch's logs, the warnings."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keraskip.callbacks.measurement import SCALARS, Measurement
from keraskip.callbacks.nonfinite import NonFinite
from keraskip.callbacks.probe import Probe
from keraskip.callbacks.provenance import provenance
from keraskip.callbacks.ring import Rows
from keraskip.callbacks.statistics import columns_of
from keraskip.callbacks.summary import EpochNorms
from keraskip.callbacks.tensorboard import TensorBoardLog
from keraskip.callbacks.weights import weights_by_depth
from keraskip.runs import RunWriter, epoch_row, read_info


@dataclass
class Record:
    """One run, through one or several trainings of the same weights.

    The arguments are those of `GradientRecorder`, checked.
    """

    run_dir: Path
    layers: str | Callable[[str], bool] | None
    statistics: Sequence[str]
    kind: str
    on_nonfinite: str
    tensorboard: bool
    probe: Probe | None
    info: dict[str, Any]
    initial_epoch: int

    def __post_init__(self) -> None:
        self._writer: RunWriter | None = None
        self._tensorboard: TensorBoardLog | None = None
        self._weights: list[dict[str, Any]] = []
        self._norms, self._nonfinite = EpochNorms([]), NonFinite([])
        self._recorded = 0

    def resume(self) -> int:
        """The number of the first step to record."""
        if not self.initial_epoch:
            return 0
        last = epoch_row(self.run_dir, self.initial_epoch)
        self._recorded = last["steps"]
        return last["next_step"]

    def begin(self, model: keras.Model, optimizer: keras.optimizers.Optimizer) -> Measurement:
        """Starts the run, or goes on with it, and says what to measure."""
        self._model, self._optimizer = model, optimizer
        if self.probe:
            self.probe.check(model)
        variables, weights, order = weights_by_depth(model, self.layers)
        if not self._weights:
            facts = {"model": model.name, "depth_from": order, "gradient": self.kind}
            # Also where only some layers are recorded.
            facts["depth"] = max(weight["depth"] for weight in weights_by_depth(model)[1])
            info = {**provenance(), **facts, **self.info}
            if _is_first_process():
                columns = columns_of(self.statistics)
                parts = weights, columns, SCALARS, self.initial_epoch
                self._writer = RunWriter(self.run_dir, info, *parts)
                if self.tensorboard:
                    folder = self.run_dir / "tensorboard"
                    self._tensorboard = TensorBoardLog(folder, weights, columns)
            self._weights = weights
            self._norms = EpochNorms(weights)
            known = read_info(self.run_dir).get("nonfinite", []) if self.initial_epoch else []
            self._nonfinite = NonFinite(weights, known)
        elif weights != self._weights:
            raise ValueError(
                "A recorder goes on with the weights it began with; for another model make a new "
                f"one. Received: model {model.name!r} with {len(weights)} weights to record, "
                f"before {len(self._weights)}"
            )
        self._write("mark", "running")
        return Measurement(variables, self.statistics, self.kind)

    def append(self, rows: Rows) -> None:
        """Writes rows, and warns if one of them is not finite."""
        self._recorded += len(rows.steps)
        self._norms.add(rows.values)
        self._write("append", *rows)
        if self._tensorboard:
            self._attempt(self._tensorboard.add, rows)
        self._report(self._nonfinite.in_gradients(rows.steps, rows.values))

    def end_epoch(self, epoch: int, next_step: int, logs: dict[str, Any]) -> None:
        """Adds the epoch's norms to its logs, and writes these."""
        logs |= self._norms.take()
        metrics = {name: float(value) for name, value in logs.items() if not np.ndim(value)}
        counts = {"epoch": epoch, "steps": self._recorded, "next_step": next_step}
        self._write("add_epoch", counts | metrics)
        if self.probe and self._writer:
            self._write("add_probes", epoch, self.probe.look(self._model))
        if self._weights and self.on_nonfinite != "ignore":
            self._report(self._nonfinite.in_statistics(self._model, epoch))

    def drop_norms(self) -> None:
        """Forgets the norms of an epoch that did not end."""
        self._norms.take()

    def note(self, key: str, fact: Mapping[str, Any]) -> None:
        """Adds a fact to `run.json`."""
        self._write("note", key, fact)

    def end(self, status: str) -> None:
        """Notes how the training ended."""
        self._write("mark", status)
        if self._tensorboard:
            self._attempt(self._tensorboard.close)

    def _report(self, finding: dict[str, Any] | None) -> None:
        """Tells of the first value that is not finite."""
        if finding is None or self.on_nonfinite == "ignore":
            return
        warnings.warn(f"{self.run_dir}: {finding['message']}", stacklevel=2)
        self._write("note", "nonfinite", finding)
        # A loss scale that is too large shows so; the optimizer skips the step and lowers it.
        skipped = isinstance(self._optimizer, keras.optimizers.LossScaleOptimizer)
        if self.on_nonfinite == "stop" and not (skipped and "step" in finding):
            self._model.stop_training = True

    def _write(self, method: str, *arguments: Any) -> None:
        if self._writer:
            self._attempt(getattr(self._writer, method), *arguments)

    def _attempt(self, write: Callable[..., None], *arguments: Any) -> None:
        """Training is worth more than its record: a full disk ends the record alone."""
        try:
            write(*arguments)
        except OSError as error:
            warnings.warn(
                f"Recording to {self.run_dir} has stopped, training goes on: {error}",
                stacklevel=2,
            )
            self._writer = self._tensorboard = None


def _is_first_process() -> bool:
    """Of several that train one model together, as `keras.distribution.initialize` makes them."""
    if keras.backend.backend() != "jax":
        return True
    import jax

    return jax.process_index() == 0
