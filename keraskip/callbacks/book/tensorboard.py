"""The record as TensorBoard shows it: curves and a histogram for each weight."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keraskip.callbacks.columns import DECADE_COLUMNS, DECADES, Rows

# TensorBoard groups cards by the part of a tag before the slash.
CURVES = ("grad_norm", "update_norm")
EDGES = np.array([*DECADES, DECADES[-1] + 1], float)


class TensorBoardLog:
    """Writes event files: the norms of gradient and update in each recorded step, and a histogram
    of log10 of the gradient's absolute values for the last step of each drain.

    Args:
        folder: where to write, for `tensorboard --logdir`.
        weights: the recorded weights.
        columns: the columns of the rows, the decades of the histogram included.
    """

    def __init__(
        self, folder: Path, weights: Sequence[Mapping[str, Any]], columns: Sequence[str]
    ) -> None:
        # TensorBoard would draw an earlier run in the same folder into the same curves.
        for file in folder.glob("events.out.tfevents.*"):
            file.unlink()
        self._weights = weights
        self._curves = {name: columns.index(name) for name in CURVES}
        self._count = columns.index("grad_nonfinite")
        self._decades = [columns.index(name) for name in DECADE_COLUMNS]
        self._folder = folder
        self._writer: Any = None

    def add(self, rows: Rows) -> None:
        """Writes the rows, and hands them to the file system."""
        for step, values in zip(rows.steps, rows.values, strict=True):
            curves = [
                _curve(f"{name}/{weight['path']}", values[index, column])
                for index, weight in enumerate(self._weights)
                if not np.isnan(values[index, self._count])  # it has a gradient in this step
                for name, column in self._curves.items()
            ]
            self._write(int(step), curves)
        shares = rows.values[:, :, self._decades]
        finite = np.isfinite(shares).all(axis=2)
        for index, weight in enumerate(self._weights):
            if finite[:, index].any():
                last = np.flatnonzero(finite[:, index])[-1]
                counts = shares[last, index] * weight["size"]
                histogram = _histogram(f"log10_gradient/{weight['path']}", counts)
                self._write(int(rows.steps[last]), [histogram])
        self._writer.flush()

    def close(self) -> None:
        """Ends the file; `add` begins another."""
        if self._writer:
            self._writer.close()
            self._writer = None

    def _write(self, step: int, values: list) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        if self._writer is None:
            # Imported only on demand: TensorBoard is an extra.
            from tensorboard.summary.writer.event_file_writer import EventFileWriter

            self._writer = EventFileWriter(str(self._folder))
        self._writer.add_event(
            Event(wall_time=time.time(), step=step, summary=Summary(value=values))
        )


def _curve(tag: str, value: float) -> Any:
    from tensorboard.plugins.scalar.metadata import create_summary_metadata

    return _summary(tag, np.float32(value), create_summary_metadata(tag, None))


def _histogram(tag: str, counts: np.ndarray) -> Any:
    from tensorboard.plugins.histogram.metadata import create_summary_metadata

    bins = np.stack([EDGES[:-1], EDGES[1:], counts], axis=1)
    return _summary(tag, bins, create_summary_metadata(tag, None))


def _summary(tag: str, data: Any, metadata: Any) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.util.tensor_util import make_tensor_proto

    return Summary.Value(tag=tag, tensor=make_tensor_proto(data), metadata=metadata)
