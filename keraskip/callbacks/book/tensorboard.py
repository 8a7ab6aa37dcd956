"""The record as TensorBoard shows it: curves and a histogram for each weight."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keraskip.callbacks.book.tracker import StepLog


class TensorBoardTracker:
    """Writes event files to `tensorboard` in the run folder, for `tensorboard --logdir`."""

    def __init__(self) -> None:
        self._writer: Any = None

    def open(self, folder: Path, resume_from: int) -> None:
        """Begins a file; a run that goes on keeps those that are there."""
        # Imported only on demand: TensorBoard is an extra.
        from tensorboard.compat.proto.event_pb2 import SessionLog
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        folder = folder / "tensorboard"
        if not resume_from:
            # TensorBoard would draw an earlier run in the same folder into the same curves.
            for file in folder.glob("events.out.tfevents.*"):
                file.unlink()
        self._writer = EventFileWriter(str(folder))
        # From the second start on, TensorBoard drops what the files before have from this step on.
        self._write(resume_from, session_log=SessionLog(status=SessionLog.START))

    def add(self, logs: Sequence[StepLog]) -> None:
        """Writes the steps, and hands them to the file system."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        for step, scalars, histograms in logs:
            values = [_curve(tag, value) for tag, value in scalars.items()]
            values += [_histogram(tag, *one) for tag, one in histograms.items()]
            self._write(step, summary=Summary(value=values))
        self._writer.flush()

    def close(self, status: str) -> None:
        """Ends the file."""
        if self._writer:
            self._writer.close()
            self._writer = None

    def _write(self, step: int, **content: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._writer.add_event(Event(wall_time=time.time(), step=step, **content))


def _curve(tag: str, value: float) -> Any:
    from tensorboard.plugins.scalar.metadata import create_summary_metadata

    return _summary(tag, np.float32(value), create_summary_metadata(tag, None))


def _histogram(tag: str, counts: np.ndarray, edges: np.ndarray) -> Any:
    from tensorboard.plugins.histogram.metadata import create_summary_metadata

    bins = np.stack([edges[:-1], edges[1:], counts], axis=1)
    return _summary(tag, bins, create_summary_metadata(tag, None))


def _summary(tag: str, data: Any, metadata: Any) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.util.tensor_util import make_tensor_proto

    return Summary.Value(tag=tag, tensor=make_tensor_proto(data), metadata=metadata)
