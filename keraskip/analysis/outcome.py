"""Numbers of a run beside its signal: accuracy, chance, the first kernel, updates."""

from typing import NamedTuple

import numpy as np

from keraskip.analysis.profiles import profile
from keraskip.analysis.windows import early_steps, sound_steps
from keraskip.runs import Run


class Outcome(NamedTuple):
    """Accuracies of the last epoch, and what guessing would reach; NaN or None where unknown."""

    accuracy: float
    held_out: float
    chance: float
    at_chance: bool | None


class Kernels(NamedTuple):
    """Numbers of the hidden kernels; `Verdict` explains them; NaN where nothing is known."""

    first_rms: float
    first_frozen: float
    first_update_ratio: float
    update_ratio: float


def outcome_of(run: Run) -> Outcome:
    """Training accuracy of the last epoch; held-out accuracy, from the test if there was one."""
    last = {} if run.epochs.empty else run.epochs.iloc[-1].to_dict()
    tested = run.info.get("test", [{}])[-1]
    accuracy = float(last.get("accuracy", np.nan))
    held_out = float(tested.get("accuracy", last.get("val_accuracy", np.nan)))
    chance = 1 / run.info["classes"] if run.info.get("classes") else np.nan
    return Outcome(accuracy, held_out, chance, _at_chance(run, accuracy, chance))


def _at_chance(run: Run, accuracy: float, chance: float) -> bool | None:
    """Whether guessing would reach this accuracy in one of forty tries."""
    samples = run.info.get("train_images")
    if np.isnan(accuracy) or np.isnan(chance):
        return None
    # What is no better than guessing on average needs no number of samples.
    if accuracy <= chance:
        return True
    if not samples:
        return None
    return bool(accuracy <= chance + 1.96 * np.sqrt(chance * (1 - chance) / samples))


def kernels_of(run: Run) -> Kernels:
    """The first kernel, and what early updates do to all hidden ones."""
    if not len(sound_steps(run)):
        return Kernels(*[np.nan] * 4)
    first = profile(run, "kernel", sound_steps(run)[:1])
    early = profile(run, "kernel", early_steps(run))
    first_rms = np.nan if first.empty else float(first["rms"].iloc[0])
    if early.empty:
        return Kernels(first_rms, *[np.nan] * 3)
    ratios = early["update_ratio"]
    return Kernels(
        first_rms, float(early["frozen"].iloc[0]), float(ratios.iloc[0]), float(ratios.median())
    )
