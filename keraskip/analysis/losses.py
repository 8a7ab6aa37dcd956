"""The loss of a run over its steps or, where it has none of them, over its epochs."""

from dataclasses import dataclass

import numpy as np

from keraskip.analysis.estimates import Estimate, mean
from keraskip.analysis.named_losses import only_loss
from keraskip.analysis.series import mean_of_series
from keraskip.runs import Run

# The beginning is short, because most happens there.
START_SHARE, FEWEST_AT_START = 0.02, 5
# The end is long enough for an interval, and holds a whole epoch if it can: an epoch sees every
# sample once, and the batches of its parts may differ.
END_SHARE, FEWEST_AT_END = 0.1, 20
# Where the first losses are this many times the very first one, the first updates threw it up. In
# one of 800 trainings that learn, they came to 3 times.
THROWN_UP = 2.0
# A fall by less than this in a quarter of the run is not the end of a plateau. It is a convention:
# a fifth of what a network that learns has left behind it.
SOME_FALL = 0.01
# Fewer epochs that fall one after the other are no surprise.
FEWEST_EPOCHS = 4


@dataclass(frozen=True, eq=False)
class Losses:
    """The loss of a training, at its beginning and at its end.

    Attributes:
        source: `"steps"` or `"epochs"`.
        steps: the steps of the values; numbers of epochs for epochs.
        values: the finite ones [N].
        start: the mean at the beginning.
        end: the mean at the end.
        second_quarter, third_quarter, last_quarter: means of these parts of the run.
        by_epoch: the means of whole epochs [E]; empty where the run has none.
    """

    source: str
    steps: np.ndarray
    values: np.ndarray
    start: Estimate
    end: Estimate
    second_quarter: Estimate
    third_quarter: Estimate
    last_quarter: Estimate
    by_epoch: np.ndarray

    @property
    def before(self) -> Estimate:
        """The loss before training: its start, or that before the first update if it rose at once.

        The first step has a loss of the weights as they were.
        """
        first = Estimate(float(self.values[0]), np.nan)
        is_first = self.source == "steps" and self.steps[0] == 0
        is_thrown_up = self.start.value > THROWN_UP * first.value > 0
        return first if is_first and is_thrown_up else self.start

    @property
    def still_fall(self) -> bool:
        """Whether the loss goes on falling after the first quarter, where much happens.

        Batches differ, and whole epochs hardly do: that several of them fall one after the other
        happens to one of 24 sequences by chance, or fewer.
        """
        falls = len(self.by_epoch) >= FEWEST_EPOCHS and (np.diff(self.by_epoch) < 0).all()
        return bool((self.second_quarter - self.last_quarter).low > 0 or falls)

    @property
    def scatter(self) -> float:
        """By how much the losses of neighbouring steps differ, in the last quarter of the run."""
        last = self.values[len(self.values) * 3 // 4 :]
        return float(np.median(np.abs(np.diff(last)))) if len(last) > 1 else 0.0

    @property
    def fall(self) -> float:
        """By how much the loss fell: from epoch to epoch if it can be told, else by its ends."""
        if len(self.by_epoch) >= FEWEST_EPOCHS:
            return float(self.by_epoch[0] - self.by_epoch[-1])
        return self.start.value - self.end.value

    @property
    def begins_to_fall(self) -> bool:
        """Whether the loss falls faster and faster, as at the end of a plateau, and by some of it.

        A bias that finds the shares of the classes lets a loss fall by less.
        """
        before = self.second_quarter - self.third_quarter
        after = self.third_quarter - self.last_quarter
        is_some = after.value > SOME_FALL * abs(self.third_quarter.value)
        return after.low > 0 and (after - before).low > 0 and is_some


def losses_of(run: Run) -> Losses | None:
    """The losses of a run; None if it has none."""
    loss = run.scalars.get("loss", np.full(len(run.steps), np.nan)).astype(float)
    known = np.isfinite(loss)
    if known.any():
        return _of_steps(run, run.steps[known], loss[known])
    if "loss" in run.epochs:
        values = run.epochs["loss"].to_numpy(float)
        values = values[np.isfinite(values)]
        # Keras logs 0 for a loss that a training step of one's own hands to no metric.
        if values.any():
            return _of_epochs(values)
    only = only_loss(run)
    return None if only is None else _of_epochs(only)


def never_finite(run: Run) -> bool:
    """Whether there is a loss, and it is NaN or infinite all along: in each step and epoch."""
    loss = run.scalars.get("loss", np.empty(0))
    of_epochs = run.epochs["loss"].to_numpy(float) if "loss" in run.epochs else np.empty(0)
    return len(of_epochs) > 0 and not np.isfinite([*of_epochs, *loss]).any()


def _of_steps(run: Run, steps: np.ndarray, values: np.ndarray) -> Losses:
    count = len(values)
    first = min(count, max(FEWEST_AT_START, round(START_SHARE * count)))
    last = min(max(1, count // 3), max(FEWEST_AT_END, round(END_SHARE * count), _epoch(run)))
    return Losses(
        "steps",
        steps,
        values,
        # Too few for a correlation.
        mean(values[:first].tolist()),
        mean_of_series(values[-last:]),
        mean_of_series(values[count // 4 : max(count // 2, 1)]),
        mean_of_series(values[count // 2 : max(count * 3 // 4, count // 2 + 1)]),
        mean_of_series(values[count * 3 // 4 :]),
        _of_whole_epochs(run),
    )


def _of_whole_epochs(run: Run) -> np.ndarray:
    values = run.epochs["loss"].to_numpy(float) if "loss" in run.epochs else np.empty(0)
    return values[np.isfinite(values)]


def _epoch(run: Run) -> int:
    """The number of recorded steps of an epoch; 0 before the end of the first."""
    return int(run.epochs["steps"].iloc[0]) if len(run.epochs) else 0


def _of_epochs(values: np.ndarray) -> Losses:
    """An epoch's loss is already a mean. Its error is unknown: the margins are NaN."""
    start, end = Estimate(float(values[0]), np.nan), Estimate(float(values[-1]), np.nan)
    return Losses("epochs", np.arange(len(values)), values, start, end, start, end, end, values)
