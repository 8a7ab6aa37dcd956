"""Keeps the recorded steps: the run folder, the epoch's logs, the warnings."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keraskip.callbacks.book.batches import batch_scalars
from keraskip.callbacks.book.epoch_norms import EpochNorms
from keraskip.callbacks.book.nonfinite import NonFinite
from keraskip.callbacks.book.trackers import Trackers
from keraskip.callbacks.book.warning import warn
from keraskip.callbacks.columns import SCALARS, Rows
from keraskip.labels import in_one_line
from keraskip.runs import (
    Hold,
    RunWriter,
    claimed,
    epoch_row,
    kept_epochs,
    read_info,
    release,
    runs_beside,
)

OVERWRITE = " overwrite=True replaces the earlier one."


@dataclass
class Journal:
    """One run, through one or several trainings of the same weights.

    Args:
        run_dir: the folder.
        columns: the columns of a row.
        tells_nonfinite: whether to warn of the first value that is NaN or infinite.
        stop: called with whether the value lies in a gradient, at the first one that is not finite.
        written: called after rows were written.
        trackers: what shows the run elsewhere, too.
        initial_epoch: number of epochs to keep of the run in the folder.
        overwrite: whether a new run replaces an earlier one in the folder.

    Attributes:
        weights: the recorded weights; none before the run has begun.
        labels: the facts about the labels of the epochs that a run kept which goes on.
    """

    run_dir: Path
    columns: Sequence[str]
    tells_nonfinite: bool
    stop: Callable[[bool], None]
    written: Callable[[], None]
    trackers: Trackers
    initial_epoch: int
    overwrite: bool

    def __post_init__(self) -> None:
        self._writer: RunWriter | None = None
        self._hold = Hold()
        self.weights: list[dict[str, Any]] = []
        self._norms, self._nonfinite = EpochNorms([]), NonFinite([])
        self._recorded = self._next_step = 0
        self.labels: list[dict[str, Any]] = []
        self._labels_after: list[dict[str, Any]] = []
        # Beside it the further runs lie.
        self._asked = self.run_dir

    @property
    def is_open(self) -> bool:
        """Whether the run has begun."""
        return bool(self.weights)

    def open(
        self,
        weights: list[dict[str, Any]],
        info: Mapping[str, Any],
        epoch: int = 0,
        writes: bool = True,
        size: float | None = None,
    ) -> list[int]:
        """Begins the run, or goes on with the one in the folder.

        Args:
            weights: the recorded weights, those nearest to the input first.
            info: the facts for `run.json`.
            epoch: the epoch with which the training begins.
            writes: whether this process is the one that writes.
            size: norm of all recorded weights now.

        Returns:
            The number of the first step of each optimizer; none for a new run.
        """
        kept = self.initial_epoch
        if epoch and not kept:
            record = weights, self.columns, SCALARS
            for folder in runs_beside(self._asked):
                kept = kept_epochs(folder, epoch, record, info, size)
                if kept:
                    self.run_dir = folder
                    break
        with self._told_where():
            if writes and not kept and not self.overwrite:
                self._move_aside("holds an earlier run, which stays as it is", OVERWRITE)
            elif writes and not self._hold.take(self.run_dir):
                kept = 0
                self._move_aside("is being recorded by another process or recorder")
            last = epoch_row(self.run_dir, kept) if kept else {}
            info_so_far = read_info(self.run_dir) if kept else {}
            known = info_so_far.get("nonfinite", [])
            self._next_step = last.get("next_step", 0)
            self._begin(weights, info, kept, writes, known)
        self._recorded = last.get("steps", 0)
        states = info_so_far.get("labels_after", [])
        self._labels_after = [row for row in states if row["steps"] <= self._recorded]
        ends = [row["labels"] for row in states if row["steps"] == self._recorded]
        self.labels = ends[0] if ends else []
        return last.get("next_steps", [last["next_step"]] if last else [])

    def open_phase(
        self, weights: list[dict[str, Any]], info: Mapping[str, Any], writes: bool
    ) -> None:
        """Begins another phase of the training, with other weights, in a folder beside the run."""
        facts = {**info, "phase_of": self.run_dir.name}
        self._recorded = self._next_step = 0
        self.labels, self._labels_after = [], []
        with self._told_where():
            if writes:
                self._take_free()
            self._begin(weights, facts, 0, writes, [])

    def go_on(self) -> None:
        """Goes on with the run, with the same weights."""
        if self._writer and not self._hold.take(self.run_dir):
            self._stop_writing("another process or recorder records there")
        self._write("go_on")
        self._open_trackers()

    @contextmanager
    def _told_where(self) -> Iterator[None]:
        """Names the folder in which no run can begin, and leaves none that has begun in part."""
        try:
            yield
        except OSError as error:
            if error.errno is None:  # it says itself what is wrong
                raise
            self._leave()
            reason = f"A run cannot be written to this folder: {error.strerror}"
            raise OSError(error.errno, reason, str(self.run_dir)) from None
        except BaseException:  # such as Ctrl-C
            self._leave()
            raise

    def _leave(self) -> None:
        self._hold.give_back()
        release(self.run_dir)

    def _move_aside(self, reason: str, advice: str = "") -> None:
        """Takes a folder without a run, and says so."""
        self._take_free()
        if self.run_dir != self._asked:
            warn(f"{self._asked} {reason}: this one is recorded in {self.run_dir}.{advice}")

    def _take_free(self) -> None:
        """Takes a folder without a run, and its lock: who has the lock may not have begun yet."""
        self.run_dir = claimed(self._asked)
        while not self._hold.take(self.run_dir):
            self.run_dir = claimed(self._asked)

    def _begin(
        self,
        weights: list[dict[str, Any]],
        info: Mapping[str, Any],
        kept: int,
        writes: bool,
        known: Sequence[Mapping[str, Any]],
    ) -> None:
        if writes:
            self._writer = RunWriter(self.run_dir, info, weights, self.columns, SCALARS, kept)
        self.weights = weights
        self._norms = EpochNorms(weights)
        self._nonfinite = NonFinite(weights, known)
        self._open_trackers()

    def _open_trackers(self) -> None:
        if self._writer:
            self.trackers.open(self.run_dir, self.weights, self.columns, self._next_step)

    def append(self, rows: Rows) -> None:
        """Writes rows, and warns if one of them is not finite."""
        self._recorded += len(rows.steps)
        self._next_step = max(self._next_step, int(rows.steps.max()) + 1)
        self._norms.add(rows.values)
        scalars = np.concatenate([rows.scalars, batch_scalars(rows.batches)], axis=1)
        self._write("append", rows.steps, rows.values, scalars)
        self.trackers.add(rows)
        self._tell(self._nonfinite.in_gradients(rows.steps, rows.values))
        if self.is_written:
            self.written()

    def end_epoch(
        self,
        epoch: int,
        next_steps: Sequence[int],
        logs: dict[str, Any],
        size: float | None,
        labels: list[dict[str, Any]],
    ) -> None:
        """Adds the epoch's norms to its logs, and writes the logs.

        Args:
            epoch: its number.
            next_steps: the number of the next step of each optimizer.
            logs: of Keras.
            size: norm of all recorded weights now, by which a restart knows them again.
            labels: the facts about the labels so far. A restart may go back by one epoch.
        """
        logs |= self._norms.take()
        # Other callbacks may leave words there, or nothing.
        numbers = {name: value for name, value in logs.items() if not isinstance(value, str | None)}
        metrics = {name: float(value) for name, value in numbers.items() if not np.ndim(value)}
        counts: dict[str, Any] = {
            "epoch": epoch,
            "steps": self._recorded,
            "next_step": max(next_steps),
        }
        if len(next_steps) > 1:
            counts["next_steps"] = list(next_steps)
        if size is not None:
            counts["weights_norm"] = size
        if labels:
            after = {"epoch": epoch, "steps": self._recorded, "labels": labels}
            self._labels_after = [*self._labels_after, after][-2:]
            self.describe({"labels": labels, "labels_after": self._labels_after})
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

    def describe(self, facts: Mapping[str, Any]) -> None:
        """Puts facts into `run.json`, with whatever is written next."""
        self._write("describe", facts)

    def end(self, status: str) -> None:
        """Notes how the training ended."""
        self._write("mark", status)
        self._hold.give_back()
        self.trackers.close(status)

    @property
    def is_written(self) -> bool:
        """Whether the run is still being written."""
        return self._writer is not None

    def _tell(self, finding: dict[str, Any] | None) -> None:
        """Warns of the first value that is not finite."""
        if finding is None or not self.tells_nonfinite:
            return
        warn(in_one_line(f"{self.run_dir}: {finding['message']}"))
        self._write("note", "nonfinite", finding)
        self.stop("step" in finding)

    def _write(self, method: str, *arguments: Any) -> None:
        """Writes; a full disk, or a file that somebody cut, ends the record; training goes on."""
        if not self._writer:
            return
        try:
            getattr(self._writer, method)(*arguments)
        except OSError as error:
            self._stop_writing(str(error))

    def _stop_writing(self, reason: str) -> None:
        warn(f"Recording to {self.run_dir} has stopped, training goes on: {reason}")
        self._writer = None
        self._hold.give_back()
        self.trackers.close("interrupted")
