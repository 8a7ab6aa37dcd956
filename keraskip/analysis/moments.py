"""Profiles at several moments of the training: the numbers that charts draw."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from keraskip.analysis.profiles import SIGNALS, early_steps, profile, sound_steps
from keraskip.runs import Run

# So many stretches of steps; the first ones are short, as most happens there.
MOMENTS = 24
COLUMNS = ("run", "signal", "layer", "depth", "moment", "rms", "low", "high", "frozen", "ratio",
           "scale_free")  # fmt: skip


@dataclass(frozen=True)
class Moment:
    """Steps of the training, from `first` to `last`."""

    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.first}" if self.first == self.last else f"{self.first}–{self.last}"

    def of(self, run: Run, rows: np.ndarray) -> np.ndarray:
        """Which rows of a run, of these, are of these steps."""
        first, end = np.searchsorted(run.steps[rows], [self.first, self.last + 1])
        return rows[first:end]


def moments(runs: Sequence[Run]) -> list[Moment]:
    """Step 0 and stretches that grow with the step's number, up to the last one of all runs.

    Stretches without a recorded step are left out.
    """
    last = max((int(run.steps[-1]) for run in runs if len(run.steps)), default=0)
    ends = np.unique(np.geomspace(1, last + 1, MOMENTS).round().astype(int))
    starts = [0, *ends[:-1].tolist()]
    found = [Moment(first, end - 1) for first, end in zip(starts, ends.tolist(), strict=True)]
    rows = [(run, sound_steps(run)) for run in runs]
    return [one for one in found if any(len(one.of(run, sound)) for run, sound in rows)] or found


def profiles_at(runs: Sequence[Run], chosen: Sequence[Moment]) -> pd.DataFrame:
    """The profiles of runs at these moments, one below the other, with `COLUMNS`.

    Both extremes of the RMS gradient in the steps of a moment are kept beside its mean.
    """
    rows = [(run, sound_steps(run)) for run in runs]
    return _joined(
        _labelled(run, signal, number, moment.of(run, sound))
        for run, sound in rows
        for number, moment in enumerate(chosen)
        for signal in SIGNALS
    )


def early_profiles(runs: Sequence[Run]) -> pd.DataFrame:
    """The same of the early steps of each run, which the verdicts read, as moment 0."""
    return _joined(
        _labelled(run, signal, 0, early_steps(run)) for run in runs for signal in SIGNALS
    )


def _labelled(run: Run, signal: str, number: int, steps: np.ndarray) -> pd.DataFrame:
    if not len(steps):
        return pd.DataFrame()
    rows = profile(run, signal, steps).assign(run=run.name, signal=signal, moment=number)
    return rows.rename(columns={"update_ratio": "ratio"})


def _joined(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    found = [frame for frame in frames if len(frame)]
    empty = pd.DataFrame(columns=list(COLUMNS))
    return pd.concat(found, ignore_index=True)[list(COLUMNS)] if found else empty
