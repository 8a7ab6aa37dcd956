"""Writes `steps.arrow` step by step."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from keraskip.runs.info import INFO_FILE, STEPS_DRAFT, STEPS_FILE
from keraskip.runs.seals import sealed


class StepsWriter:
    """Writes the steps of a run; each call leaves a file that can be read.

    Args:
        path: the run folder.
        weights: the number of recorded weights.
        statistics: names of the statistics, with one number for each weight.
        scalars: names of the scalars of each step.
    """

    def __init__(
        self, path: str | Path, weights: int, statistics: Sequence[str], scalars: Sequence[str]
    ) -> None:
        self.path = Path(path)
        column = pa.list_(pa.float32(), weights)
        self._schema = pa.schema(
            [("step", pa.int64())]
            + [(scalar, pa.float32()) for scalar in scalars]
            + [(statistic, column) for statistic in statistics]
        )

    def append(
        self, steps: np.ndarray, values: np.ndarray, scalars: np.ndarray | None = None
    ) -> None:
        """Adds rows.

        Args:
            steps: numbers of the steps [S].
            values: statistics of the weights [S, weights, statistics].
            scalars: scalars of the steps [S, scalars].
        """
        columns: list[pa.Array] = [pa.array(steps, pa.int64())]
        for scalar in () if scalars is None else scalars.T:
            columns.append(pa.array(np.ascontiguousarray(scalar, np.float32)))
        for index, field in enumerate(list(self._schema)[len(columns) :]):
            flat = np.ascontiguousarray(values[:, :, index], np.float32).reshape(-1)
            columns.append(pa.FixedSizeListArray.from_arrays(pa.array(flat), type=field.type))
        rows = pa.record_batch(columns, schema=self._schema)
        # It is not made anew where it was removed: steps without columns cannot be read.
        with open(self.path / STEPS_FILE, "r+b") as file:
            self._check_size(file.seek(0, os.SEEK_END))
            file.write(sealed(rows))
            self._size = file.tell()

    def _check_size(self, size: int | None = None) -> None:
        """OSError if the file is not as this writer left it."""
        if size is None:
            size = (self.path / STEPS_FILE).stat().st_size
        if size != self._size:
            raise OSError(f"something else has changed {STEPS_FILE}")

    def _start(self) -> None:
        """Begins an empty file of its own: who reads an earlier one reads that to its end."""
        draft = self.path / STEPS_DRAFT
        draft.write_bytes(self._schema.serialize())
        self._size = draft.stat().st_size
        os.replace(draft, self.path / STEPS_FILE)

    def _has_same_columns(self) -> bool:
        """Whether the file in the folder has the columns of this one."""
        with pa.OSFile(str(self.path / STEPS_FILE)) as file:
            return pa.ipc.open_stream(file).schema == self._schema

    def _keep(self, rows: int) -> None:
        """Keeps the first rows of the file. They end with a batch, because each epoch does."""
        path = self.path / STEPS_FILE
        with pa.OSFile(str(path)) as file:
            reader = pa.ipc.open_stream(file)
            while rows > 0:
                try:
                    rows -= reader.read_next_batch().num_rows
                except (StopIteration, pa.ArrowInvalid, OSError):
                    break
            end = file.tell()
        if rows:
            raise ValueError(f"{path} does not hold the steps that {INFO_FILE} beside it counts.")
        os.truncate(path, end)
        self._size = end
