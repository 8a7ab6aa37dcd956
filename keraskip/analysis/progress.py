"""What loss and accuracy have come to, beside a constant guess."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from keraskip.analysis.heads import chance, constant_guess, guess_of, heads_of, training_accuracy
from keraskip.analysis.losses import FEWEST_AT_START, Losses, losses_of
from keraskip.analysis.numbers import plain
from keraskip.runs import Run

# A network has learned something when a twentieth of what a constant guess leaves open is gone.
# This is a convention: less is within the reach of shifted class shares.
LEARNED_SHARE = 0.05
# The same for the accuracy, from chance (0) to perfect (1).
ABOVE_CHANCE = 0.1
# An accuracy below this may come of single samples learned by heart, and the loss has a say.
CLEARLY_ABOVE_CHANCE = 0.15
# The losses of as many samples differ by less than those that updates throw up.
SEVERAL = 8
# With fewer epochs or steps nothing is said.
FEWEST_EPOCHS = 3
FEWEST_STEPS = 20
# How clearly the loss of the epochs has to fall, whose interval is unknown.
CLEAR_FALL = 0.1
# Losses of an output that differ by no more than this are the same.
SAME_LOSS = 0.01
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
        batch: the mean number of samples in a step; NaN where it is unknown.
        entropy: the loss of the best constant answer in nats, without the factors of `compile`,
            where the loss is a crossentropy of labels that all count alike; else NaN.
    """

    losses: Losses | None
    guess: float
    accuracy: float
    chance: float
    samples: int
    batch: float = np.nan
    entropy: float = np.nan

    @property
    def limit(self) -> float:
        """What the loss has to fall below: a constant guess or, where it is unknown, the start."""
        if self.guess > 0 or self.losses is None:
            return self.guess
        # A single sample may have any loss; several, before the first update, are a measure.
        losses = self.losses
        return (losses.before if self.batch >= SEVERAL else losses.start).value

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
    def is_above_a_guess(self) -> bool:
        """Whether the loss ends clearly above that of a constant guess."""
        return bool(self.losses and self.losses.end.low > self.guess > 0)

    @property
    def is_far(self) -> bool:
        """Whether the loss ends far above a constant guess, and so on no plateau near it."""
        return bool(self.losses and self.losses.end.low > BLOWN_UP * self.guess > 0)

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
        limit = max(self.losses.before.value, float(np.nan_to_num(self.guess)))
        low = self.losses.end.value - np.nan_to_num(self.losses.end.margin)
        return bool(limit > 0 and low > BLOWN_UP * limit)

    @property
    def is_above_chance(self) -> bool:
        """Whether the accuracy has clearly left chance, or by some and no loss speaks against it.

        With answers that are right as often as they are sure, a loss 5 % below that of a guess
        between two classes has an accuracy 26 % above chance.
        """
        share = (self.accuracy - self.chance) / (1 - self.chance) if self.chance < 1 else 0.0
        is_some = share > ABOVE_CHANCE and (self.losses is None or self.might_be_low)
        is_above = is_some or share > CLEARLY_ABOVE_CHANCE
        return bool(is_above and self.accuracy > self.chance + self._noise)

    @property
    def is_belied(self) -> bool:
        """Whether the accuracy is that of chance, though the loss tells of better answers.

        Under a crossentropy of L nats the right class has a probability of exp(-L) or more on
        average (Jensen's inequality). Answers that are as often right as they are sure have at
        least that accuracy.
        """
        if self.losses is None or not (self.guess > 0 and self.is_low and self.fell):
            return False
        end = self.losses.end
        # The accuracy is that of the last whole epoch, which may have had a higher loss.
        high = max([end.value + np.nan_to_num(end.margin), *self.losses.by_epoch[-1:]])
        told = np.exp(-high / self.guess * self.entropy)
        at_chance = self.accuracy <= self.chance + self._noise
        return bool(at_chance and told > self.chance + max(self._noise, self._some))

    @property
    def _noise(self) -> float:
        """Three standard errors of an accuracy at chance."""
        return float(3 * np.sqrt(self.chance * (1 - self.chance) / self.samples))

    @property
    def _some(self) -> float:
        """The part of the way from chance to 1 that is more than nothing."""
        return ABOVE_CHANCE * (1 - self.chance)

    @property
    def is_at_chance(self) -> bool:
        """Whether it is known that the accuracy is no better than chance."""
        return bool(self.accuracy <= self.chance + self._some)

    @property
    def words(self) -> str:
        """The loss at both ends beside that of a constant guess; empty if it is unknown."""
        if not self.losses:
            return ""
        beside = "" if np.isnan(self.guess) else f", a constant guess has {plain(self.guess)}"
        start, end = self.losses.before.value, self.losses.end.value
        return f"loss {plain(start)} at the start, {plain(end)} at the end{beside}"

    @property
    def accuracy_words(self) -> str:
        """The accuracy beside chance; empty if it is unknown."""
        if np.isnan(self.accuracy):
            return ""
        beside = "" if np.isnan(self.chance) else f", chance {self.chance:.2f}"
        return f"accuracy {self.accuracy:.2f}{beside}"


class Idle(NamedTuple):
    """An output with a loss no lower than a constant guess has.

    Attributes:
        name: the layer.
        loss: of the last epoch.
        guess: of a constant guess.
        falls: whether the loss fell in most epochs, to its lowest or nearly so.
    """

    name: str
    loss: float
    guess: float
    falls: bool

    def __str__(self) -> str:
        return f"{self.name} has a loss of {plain(self.loss)}, a constant guess {plain(self.guess)}"


def idle_outputs(run: Run) -> list[Idle]:
    """Of several outputs, those that are no better than a constant guess.

    By the losses of epochs, which Keras logs for each output. Factors of the losses leave open what
    an output is for.
    """
    heads = heads_of(run)
    if len(heads) < 2 or (run.info.get("training") or {}).get("loss_weights"):
        return []
    found = []
    for head in heads:
        name, guess = f"{head.name}_loss", guess_of(head) if head.loss and head.labels else np.nan
        losses = run.epochs[name].to_numpy(float) if name in run.epochs else np.empty(0)
        losses = losses[np.isfinite(losses)]
        if len(losses) >= FEWEST_EPOCHS and losses[-1] > (1 - LEARNED_SHARE) * guess:
            found.append(Idle(head.name, float(losses[-1]), guess, _is_falling(losses)))
    return found


def _is_falling(losses: np.ndarray) -> bool:
    falls = (np.diff(losses) < 0).mean() > 0.5
    return bool(falls and losses[-1] <= losses.min() * (1 + SAME_LOSS))


def progress_of(run: Run) -> Progress:
    """The numbers of a run."""
    counts = [row.get("count", 0) for row in run.info.get("labels") or []]
    samples = max(run.info.get("train_images", 0), min(counts, default=0)) or 100
    return Progress(
        losses_of(run),
        constant_guess(run),
        training_accuracy(run),
        chance(run),
        samples,
        min(counts, default=np.nan) / _trained_steps(run),
        _entropy(run),
    )


def _trained_steps(run: Run) -> int:
    """The steps whose labels are counted, recorded or not."""
    return int(run.steps[-1] - run.steps[0] + 1) if len(run.steps) else 1


def _entropy(run: Run) -> float:
    """See `Progress`; NaN, too, where the accuracy is not that of hard labels of one question.

    For several sigmoid units Keras takes "accuracy" for the largest one being right, and a label
    between 0 and 1 is never met.
    """
    heads = heads_of(run)
    if len(heads) != 1 or heads[0].labels.get("weighted"):
        return np.nan
    (head,) = heads
    mean, variance = head.labels.get("mean", np.nan), head.labels.get("variance", np.nan)
    is_hard = variance > 0.99 * mean * (1 - mean)
    is_one_question = head.is_categorical or (head.is_crossentropy and head.units == 1 and is_hard)
    return constant_guess(run, with_factors=False) if is_one_question else np.nan
