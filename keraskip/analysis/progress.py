"""What loss and accuracy have come to, beside a constant guess."""

from dataclasses import dataclass

import numpy as np

from keraskip.analysis.heads import chance, constant_guess, training_accuracy
from keraskip.analysis.losses import FEWEST_AT_START, Losses, losses_of
from keraskip.runs import Run

# A network has learned something when a twentieth of what a constant guess leaves open is gone.
# This is a convention: less is within the reach of shifted class shares.
LEARNED_SHARE = 0.05
# The same for the accuracy, from chance (0) to perfect (1).
ABOVE_CHANCE = 0.1
# With fewer steps nothing is said.
FEWEST_STEPS = 20
# How clearly the loss of the epochs has to fall, whose interval is unknown.
CLEAR_FALL = 0.1
# A loss this many times as large as at the start is on its way to infinity.
BLOWN_UP = 10.0


@dataclass(frozen=True, eq=False)
class Progress:
    """The numbers that learning is judged by.

    Attributes:
        losses: None where there are none.
        guess: the loss of the best constant answer; NaN where it cannot be known.
        accuracy: of the last epoch, on the training samples; NaN if there is none.
        chance: the accuracy of the best constant answer; NaN where it cannot be known.
        samples: the number of samples behind the accuracy; 100 where it is unknown.
    """

    losses: Losses | None
    guess: float
    accuracy: float
    chance: float
    samples: int

    @property
    def limit(self) -> float:
        """What the loss has to fall below: a constant guess or, where it is unknown, the start."""
        if self.guess > 0 or self.losses is None:
            return self.guess
        return self.losses.start.value

    @property
    def is_low(self) -> bool:
        """Whether the loss ends clearly below the limit, and not above its start."""
        losses = self.losses
        if losses is None or (losses.source == "steps" and len(losses.values) < FEWEST_STEPS):
            return False
        share = LEARNED_SHARE if losses.source == "steps" else CLEAR_FALL
        high = losses.end.value + np.nan_to_num(losses.end.margin)
        return bool(high < self.limit - share * abs(self.limit)) and not self.rose

    @property
    def might_be_low(self) -> bool:
        """Whether the interval of the loss at the end leaves it open."""
        if self.losses is None or self.rose:
            return False
        part = LEARNED_SHARE * abs(self.limit)
        end = self.losses.end
        return bool(end.low < self.limit - part and end.value < self.limit - part / 2)

    @property
    def rose(self) -> bool:
        """Whether the loss ends clearly above its start."""
        if self.losses is None:
            return False
        rise = self.losses.end - self.losses.start
        return bool(rise.value > LEARNED_SHARE * abs(self.limit) and rise.low > 0)

    @property
    def fell(self) -> bool:
        """Whether the loss ends below its start, be it one with a spike in it."""
        if self.losses is None:
            return False
        fall, end = self.losses.start - self.losses.end, self.losses.end
        first = self.losses.values[:FEWEST_AT_START]
        is_below_all = len(first) == FEWEST_AT_START and first.min() > end.high
        return bool(fall.value - np.nan_to_num(fall.margin) > 0 or is_below_all)

    @property
    def has_blown_up(self) -> bool:
        """Whether the loss ends far above start and guess."""
        if self.losses is None:
            return False
        limit = max(self.losses.start.value, float(np.nan_to_num(self.guess)))
        low = self.losses.end.value - np.nan_to_num(self.losses.end.margin)
        return bool(limit > 0 and low > BLOWN_UP * limit)

    @property
    def is_above_chance(self) -> bool:
        """Whether the accuracy has clearly left chance."""
        noise = 3 * np.sqrt(self.chance * (1 - self.chance) / self.samples)
        return bool(self.accuracy > self.chance + max(noise, ABOVE_CHANCE * (1 - self.chance)))

    @property
    def is_at_chance(self) -> bool:
        """Whether it is known that the accuracy is no better than chance."""
        return bool(self.accuracy <= self.chance + ABOVE_CHANCE * (1 - self.chance))

    @property
    def words(self) -> str:
        """The loss at both ends beside that of a constant guess; empty if it is unknown."""
        if not self.losses:
            return ""
        beside = "" if np.isnan(self.guess) else f", a constant guess has {self.guess:.3g}"
        start, end = self.losses.start.value, self.losses.end.value
        return f"loss {start:.3g} at the start, {end:.3g} at the end{beside}"

    @property
    def accuracy_words(self) -> str:
        """The accuracy beside chance; empty if it is unknown."""
        if np.isnan(self.accuracy):
            return ""
        beside = "" if np.isnan(self.chance) else f", chance {self.chance:.2f}"
        return f"accuracy {self.accuracy:.2f}{beside}"


def progress_of(run: Run) -> Progress:
    """The numbers of a run."""
    counts = [row.get("count", 0) for row in run.info.get("labels") or []]
    samples = max(run.info.get("train_images", 0), min(counts, default=0)) or 100
    return Progress(
        losses_of(run), constant_guess(run), training_accuracy(run), chance(run), samples
    )
