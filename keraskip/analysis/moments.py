"""Profiles at several moments of the training: the numbers that charts draw."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from keraskip.analysis.profiles import SIGNALS, hidden_weights, profiles_of
from keraskip.analysis.windows import early_steps, sound_steps
from keraskip.runs import Run

# The number of moments. The first ones are short, because most happens there.
MOMENTS = 24
COLUMNS = ("run", "signal", "layer", "depth", "branch", "moment", "rms", "low", "high", "frozen",
           "update_ratio", "scale_free")  # fmt: skip


@dataclass(frozen=True)
class Moment:
    """A stretch of steps of the training, from `first` to `last`."""

    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.first}" if self.first == self.last else f"{self.first}–{self.last}"

    def rows_of(self, run: Run, rows: np.ndarray) -> np.ndarray:
        """The rows of a run, among `rows`, whose steps lie in this moment."""
        first, end = np.searchsorted(run.steps[rows], [self.first, self.last + 1])
        return rows[first:end]


def moments(runs: Sequence[Run]) -> list[Moment]:
    """Step 0, then stretches that grow with the step's number, up to the last step of all runs.

    Stretches without a recorded step are left out.
    """
    last = max((int(run.steps[-1]) for run in runs if len(run.steps)), default=0)
    ends = np.unique(np.geomspace(1, last + 1, MOMENTS).round().astype(int))
    starts = [0, *ends[:-1].tolist()]
    stretches = [Moment(first, end - 1) for first, end in zip(starts, ends.tolist(), strict=True)]
    sound_rows = [(run, sound_steps(run)) for run in runs]
    recorded = [
        moment
        for moment in stretches
        if any(len(moment.rows_of(run, rows)) for run, rows in sound_rows)
    ]
    return recorded or stretches


def profiles_at(runs: Sequence[Run], chosen: Sequence[Moment]) -> pd.DataFrame:
    """The profiles of all runs at the chosen moments, in one frame with `COLUMNS`.

    `low` and `high` are the extremes of the RMS gradient in the steps of a moment.
    """
    sound_rows = {run.name: sound_steps(run) for run in runs}
    return _joined(
        _labelled(run, signal, [moment.rows_of(run, sound_rows[run.name]) for moment in chosen])
        for run in runs
        for signal in SIGNALS
    )


def early_profiles(runs: Sequence[Run]) -> pd.DataFrame:
    """The profiles of the early steps of each run, which the verdicts read, as moment 0."""
    return _joined(_labelled(run, signal, [early_steps(run)]) for run in runs for signal in SIGNALS)


def _labelled(run: Run, signal: str, stretches: Sequence[np.ndarray]) -> pd.DataFrame:
    frame = profiles_of(run, hidden_weights(run, signal), stretches)
    return frame.assign(run=run.name, signal=signal)


def _joined(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    filled = [frame for frame in frames if len(frame)]
    empty = pd.DataFrame(columns=list(COLUMNS))
    return pd.concat(filled, ignore_index=True)[list(COLUMNS)] if filled else empty
