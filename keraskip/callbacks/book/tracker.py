"""The interface of a tracker: the numbers of a run that it shows, and the methods it needs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from keraskip.callbacks.columns import DECADE_COLUMNS, DECADES, Rows

CURVES = ("grad_norm", "update_norm")
HISTOGRAM = "log10_gradient"
EDGES = np.array([*DECADES, DECADES[-1] + 1], float)


class StepLog(NamedTuple):
    """The numbers of one step that trackers show.

    Attributes:
        step: its number, the x axis of every curve.
        scalars: the norms of gradient and update for each weight that has a gradient in this step,
            as `grad_norm/PATH` and `update_norm/PATH`.
        histograms: of log10 of the gradient's absolute values, as `log10_gradient/PATH`: the
            number of elements in each decade and the edges of the decades, as `np.histogram`
            returns them. The last recorded step of each write has them, as a rule one in 64.
    """

    step: int
    scalars: dict[str, float]
    histograms: dict[str, tuple[np.ndarray, np.ndarray]]


class Tracker(Protocol):
    """Shows a run somewhere else while it is recorded. Any object with these methods is one.

    An exception in one of them ends this tracker with a warning; record and training go on.

    Example:

    >>> class Printer:
    ...     def open(self, folder, resume_from):
    ...         print("recording to", folder)
    ...
    ...     def add(self, logs):
    ...         print("step", logs[-1].step, logs[-1].scalars)
    ...
    ...     def close(self, status):
    ...         print(status)
    >>> recorder = GradientRecorder("runs/mine", trackers=[Printer()])  # doctest: +SKIP
    """

    def open(self, folder: Path, resume_from: int) -> None:
        """Begins, or goes on with, the run; called again after `close` if training goes on.

        Args:
            folder: the run folder, with its `run.json`. Files of the tracker may lie in it.
            resume_from: the step from which the run in this folder goes on; 0 for a new run.
        """

    def add(self, logs: Sequence[StepLog]) -> None:
        """Takes the recorded steps since the last call, as a rule 64."""

    def close(self, status: str) -> None:
        """Ends it; `status` is `"finished"`, `"stopped"` or `"interrupted"`."""


def step_logs(
    weights: Sequence[Mapping[str, Any]], columns: Sequence[str], rows: Rows
) -> list[StepLog]:
    """The numbers of these rows that trackers show.

    Args:
        weights: the recorded weights.
        columns: the columns of the rows, the decades of the histogram included.
        rows: some steps.
    """
    logs = [StepLog(int(step), {}, {}) for step in rows.steps]
    curves = [(name, rows.values[:, :, columns.index(name)]) for name in CURVES]
    has_gradient = ~np.isnan(rows.values[:, :, columns.index("grad_nonfinite")])
    shares = rows.values[:, :, [columns.index(name) for name in DECADE_COLUMNS]]
    is_finite = np.isfinite(shares).all(axis=2)
    for index, weight in enumerate(weights):
        for place in np.flatnonzero(has_gradient[:, index]):
            logs[place].scalars.update(
                (f"{name}/{weight['path']}", float(values[place, index])) for name, values in curves
            )
        for place in np.flatnonzero(is_finite[:, index])[-1:]:
            counts = shares[place, index] * weight["size"]
            logs[place].histograms[f"{HISTOGRAM}/{weight['path']}"] = counts, EDGES
    return [log for log in logs if log.scalars or log.histograms]


def kept_id(folder: Path, file: str, resume_from: int) -> str | None:
    """The id of the tracker's own run, which a training that goes on finds in the run folder."""
    path = folder / file
    return path.read_text("utf-8") if resume_from and path.is_file() else None
