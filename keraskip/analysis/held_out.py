"""Whether anything of what a network learns holds for samples that it does not train on."""

from typing import NamedTuple

import numpy as np

from keraskip.analysis.heads import ACCURACIES, heads_of
from keraskip.analysis.numbers import plain
from keraskip.analysis.progress import (
    CLEARLY_ABOVE_CHANCE,
    FEWEST_EPOCHS,
    LEARNED_SHARE,
    Progress,
)
from keraskip.runs import Run


class HeldOut(NamedTuple):
    """Answers to held-out samples that are no better than a constant guess.

    Attributes:
        loss: of the last epoch.
        accuracy: of the last epoch; NaN if there is none.
    """

    loss: float
    accuracy: float

    def __str__(self) -> str:
        known = "" if np.isnan(self.accuracy) else f", accuracy {self.accuracy:.2f}"
        return f"no better than a constant guess (loss {plain(self.loss)}{known})"


def no_better_on_held_out(run: Run, progress: Progress) -> HeldOut | None:
    """The answers to the samples that `fit` validates with, if they were never better than a guess.

    In the last 3 epochs the loss is above that of a constant guess and the accuracy less than 15 %
    above chance. Where there is no accuracy, the loss has never been 5 % below that of a constant
    guess: answers that are too sure have a high loss, though they may be right. Labels that count
    by weights count so in training only, so nothing is said.
    """
    losses = _of_epochs(run, "val_loss")
    is_weighted = any(head.labels.get("weighted") for head in heads_of(run))
    if len(losses) < FEWEST_EPOCHS or is_weighted or not progress.guess > 0:
        return None
    names = [f"val_{name}" for name in ACCURACIES if f"val_{name}" in run.epochs]
    accuracies = _of_epochs(run, names[0]) if names else np.empty(0)
    above = progress.chance + CLEARLY_ABOVE_CHANCE * (1 - progress.chance)
    if len(accuracies):
        is_high = losses[-FEWEST_EPOCHS:].min() > progress.guess
        is_no_better = is_high and accuracies[-FEWEST_EPOCHS:].max() < above
    else:
        is_no_better = losses.min() > (1 - LEARNED_SHARE) * progress.guess
    accuracy = float(accuracies[-1]) if len(accuracies) else np.nan
    return HeldOut(float(losses[-1]), accuracy) if is_no_better else None


def _of_epochs(run: Run, name: str) -> np.ndarray:
    """The finite numbers of a column of the epochs; `validation_freq` leaves some out."""
    values = run.epochs[name].to_numpy(float) if name in run.epochs else np.empty(0)
    return values[np.isfinite(values)]


def mean_held_out(known: list[HeldOut | None]) -> HeldOut | None:
    """The mean over seeds, if all are no better than a guess."""
    found = [each for each in known if each]
    return HeldOut(*np.mean(found, axis=0)) if found and len(found) == len(known) else None
