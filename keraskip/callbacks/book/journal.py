"""Keeps the recorded steps: the run folder, the epoch's logs, the warnings."""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keraskip.callbacks.book.epoch_norms import EpochNorms
from keraskip.callbacks.book.nonfinite import NonFinite
from keraskip.callbacks.book.tensorboard import TensorBoardLog
from keraskip.callbacks.columns import SCALARS, Rows
from keraskip.runs import RunWriter, epoch_row, read_info


@dataclass
class Journal:
    """One run, through one or several trainings of the same weights.

    Args:
        run_dir: the folder.
        columns: the columns of a row.
        tells_nonfinite: whether to warn of the first value that is NaN or infinite.
        stop: called with whether the value lies in a gradient, at the first one that is not finite.
        tensorboard: whether to write files for TensorBoard, too.
        initial_epoch: number of epochs to keep of the run in the folder.
    """

    run_dir: Path
    columns: Sequence[str]
    tells_nonfinite: bool
    stop: Callable[[bool], None]
    tensorboard: bool
    initial_epoch: int

    def __post_init__(self) -> None:
        self._writer: RunWriter | None = None
        self._tensorboard: TensorBoardLog | None = None
        self._weights: list[dict[str, Any]] = []
        self._norms, self._nonfinite = EpochNorms([]), NonFinite([])
        self._recorded = 0

    def resume(self) -> list[int]:
        """The number of the first step to record, for each optimizer."""
        if not self.initial_epoch:
            return []
        last = epoch_row(self.run_dir, self.initial_epoch)
        self._recorded = last["steps"]
        return last.get("next_steps", [last["next_step"]])

    @property
    def is_open(self) -> bool:
        """Whether the run has begun."""
        return bool(self._weights)

    def open(
        self, weights: list[dict[str, Any]], info: Mapping[str, Any], writes: bool = True
    ) -> None:
        """Begins the run.

        Args:
            weights: the recorded weights, those nearest to the input first.
            info: the facts for `run.json`.
            writes: whether this process is the one that writes.
        """
        if writes:
            parts = weights, self.columns, SCALARS, self.initial_epoch
            self._writer = RunWriter(self.run_dir, info, *parts)
            if self.tensorboard:
                folder = self.run_dir / "tensorboard"
                self._tensorboard = TensorBoardLog(folder, weights, self.columns)
        self._weights = weights
        self._norms = EpochNorms(weights)
        known = read_info(self.run_dir).get("nonfinite", []) if self.initial_epoch else []
        self._nonfinite = NonFinite(weights, known)

    def go_on(self, weights: list[dict[str, Any]], model_name: str) -> None:
        """Goes on with the run; ValueError for other weights than it began with."""
        if weights != self._weights:
            raise ValueError(
                "A recorder goes on with the weights it began with; for another model make a new "
                f"one. Received: model {model_name!r} with {len(weights)} weights to record, "
                f"before {len(self._weights)}"
            )
        self._write("mark", "running")

    def append(self, rows: Rows) -> None:
        """Writes rows, and warns if one of them is not finite."""
        self._recorded += len(rows.steps)
        self._norms.add(rows.values)
        self._write("append", *rows)
        if self._tensorboard:
            self._attempt(self._tensorboard.add, rows)
        self._tell(self._nonfinite.in_gradients(rows.steps, rows.values))

    def end_epoch(self, epoch: int, next_steps: Sequence[int], logs: dict[str, Any]) -> None:
        """Adds the epoch's norms to its logs, and writes the logs."""
        logs |= self._norms.take()
        metrics = {name: float(value) for name, value in logs.items() if not np.ndim(value)}
        counts: dict[str, Any] = {
            "epoch": epoch,
            "steps": self._recorded,
            "next_step": max(next_steps),
        }
        if len(next_steps) > 1:
            counts["next_steps"] = list(next_steps)
        self._write("add_epoch", counts | metrics)

    def add_probes(self, epoch: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Writes the rows of a probe after an epoch."""
        self._write("add_probes", epoch, rows)

    def check_moving_averages(self, epoch: int, averages: Iterable[tuple[str, np.ndarray]]) -> None:
        """Warns of the first moving average that is not finite.

        Args:
            epoch: the epoch that ended.
            averages: the moving averages of batch normalisation, each with its path.
        """
        self._tell(self._nonfinite.in_moving_averages(averages, epoch))

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

    @property
    def is_written(self) -> bool:
        """Whether the run is still being written."""
        return self._writer is not None

    def _tell(self, finding: dict[str, Any] | None) -> None:
        """Warns of the first value that is not finite."""
        if finding is None or not self.tells_nonfinite:
            return
        warnings.warn(f"{self.run_dir}: {finding['message']}", stacklevel=2)
        self._write("note", "nonfinite", finding)
        self.stop("step" in finding)

    def _write(self, method: str, *arguments: Any) -> None:
        if self._writer:
            self._attempt(getattr(self._writer, method), *arguments)

    def _attempt(self, write: Callable[..., None], *arguments: Any) -> None:
        """Writes; a full disk ends the record, and training goes on."""
        try:
            write(*arguments)
        except OSError as error:
            warnings.warn(
                f"Recording to {self.run_dir} has stopped, training goes on: {error}",
                stacklevel=2,
            )
            self._writer = self._tensorboard = None
