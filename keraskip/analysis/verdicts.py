"""Verdicts on the signal: of one run, or of one network over the runs of several seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from keraskip.analysis.estimates import FEWEST_LAYERS, Estimate, fall
from keraskip.analysis.profiles import (
    early_steps,
    has_gradient,
    hidden_weights,
    late_steps,
    log_rms_of,
    profile,
    signal_of,
    sound_steps,
)
from keraskip.runs import Run

# Between the first and the last hidden layer a healthy signal stays within two orders of
# magnitude. This is a convention: SGD gives all layers one learning rate, and an end whose updates
# are more than a hundred times smaller stands still beside the other end.
HEALTHY_ORDERS = 2.0
# Far above the smallest number of float32, 1.4e-45: below a layer with such a signal, a zero is no
# underflow.
CLEARLY_ALIVE = 1e-20
# The steps that a verdict reads are cut into stretches whose means are nearly independent.
STRETCHES = 8

RULES = {
    "diverged": "gradients became NaN or infinite and stayed so, or the "
    f"weights grew by more than {HEALTHY_ORDERS:g} orders of magnitude",
    "dead": "at the end of the run a hidden layer gets gradients of exactly 0, while the recorded "
    f"layer above it has a signal above {CLEARLY_ALIVE:g}, too much for an underflow",
    "vanishing": "the 95 % interval of the attenuation at the beginning of the run lies above "
    f"{HEALTHY_ORDERS:g} orders of magnitude",
    "exploding": f"the interval lies below -{HEALTHY_ORDERS:g} orders",
    "healthy": "the interval lies between the two",
    "inconclusive": "anything else",
}


@dataclass(frozen=True)
class Verdict:
    """The verdict on one run and the numbers behind it.

    Attributes:
        run: name of the run.
        verdict: the first one of `RULES` that holds.
        reason: the reason for the verdict, in a few words.
        attenuation: by how many orders of magnitude the signal shrinks from the last to the first
            hidden layer, negative where it grows; None where there is too little to fit, and in a
            run that is dead or diverged.
        at_start: the attenuation in the first sound step alone, where batch normalisation makes
            plain networks explode (Yang et al. 2019).
        signal: the signal that was read, `backward` or, in networks of few biases, `kernel`.
        first_rms: RMS gradient of the first kernel in the first sound step.
        first_frozen: share of the first kernel's elements that the early updates left as they were.
        update_ratio: median of ||update|| / ||weight|| of the hidden kernels in the early steps.
        nonfinite_steps: number of steps with a gradient that was NaN or infinite.
        accuracy: of the last epoch, on the training samples.
        held_out: the accuracy on the test samples, which a study looks at once, in the end; else
            on the samples that `fit` validated with.
        chance: accuracy of guessing, where the run says how many classes there are.
        at_chance: whether the accuracy is within the 95 % range of guessing; None if unknown.
        steps: number of recorded steps.
    """

    run: str
    verdict: str
    reason: str
    attenuation: Estimate | None
    at_start: Estimate | None
    signal: str
    first_rms: float
    first_frozen: float
    update_ratio: float
    nonfinite_steps: int
    accuracy: float
    held_out: float
    chance: float
    at_chance: bool | None
    steps: int


class Judgement(NamedTuple):
    """The verdict on one network, over the runs of its seeds; `Verdict` explains the fields."""

    verdict: str
    reason: str
    attenuation: Estimate | None


def judge(run: Run) -> Verdict:
    """The verdict on one run by `RULES`, with its numbers."""
    signal = signal_of(run)
    attenuation = _attenuation(run, signal, early_steps(run))
    verdict, reason = _verdict(run, attenuation)
    # A line through zeros says nothing.
    if verdict in ("dead", "diverged"):
        attenuation = None
    first_rms, first_frozen, update_ratio = _kernel_numbers(run)
    accuracy, held_out = _accuracies(run)
    return Verdict(
        run=run.name,
        verdict=verdict,
        reason=reason,
        attenuation=attenuation,
        at_start=_attenuation(run, signal, sound_steps(run)[:1]),
        signal=signal,
        first_rms=first_rms,
        first_frozen=first_frozen,
        update_ratio=update_ratio,
        nonfinite_steps=int((np.nansum(run.grad_nonfinite, axis=1) > 0).sum()),
        accuracy=accuracy,
        held_out=held_out,
        chance=1 / run.info["classes"] if "classes" in run.info else np.nan,
        at_chance=_at_chance(run, accuracy),
        steps=len(run.steps),
    )


def judge_together(runs: Sequence[Run], verdicts: Sequence[Verdict]) -> Judgement:
    """The verdict on one network.

    Args:
        runs: a run for each seed.
        verdicts: the verdict on each run.
    """
    first = verdicts[0]
    if len(runs) == 1:
        return Judgement(first.verdict, first.reason, first.attenuation)
    for special in ("diverged", "dead"):
        count = sum(verdict.verdict == special for verdict in verdicts)
        if count == len(runs):
            return Judgement(special, first.reason, None)
        if count:
            return Judgement("inconclusive", f"{count} of {len(runs)} seeds {special}", None)
    if not all(len(early_steps(run)) for run in runs):
        return Judgement("inconclusive", "a run without sound steps", None)
    columns = hidden_weights(runs[0], first.signal)
    log_rms = [log_rms_of(run, columns, early_steps(run)).mean(axis=0) for run in runs]
    attenuation = fall(runs[0].weights["depth"].to_numpy(float)[columns], np.array(log_rms))
    return Judgement(*_by_attenuation(attenuation), attenuation)


def _attenuation(run: Run, signal: str, steps: np.ndarray) -> Estimate | None:
    """The fall of the signal in some steps, fitted to a profile of each stretch of them."""
    if not len(steps):
        return None
    columns = hidden_weights(run, signal)
    log_rms = log_rms_of(run, columns, steps)
    stretches = np.array_split(log_rms, min(STRETCHES, len(log_rms)))
    depth = run.weights["depth"].to_numpy(float)[columns]
    return fall(depth, np.array([stretch.mean(axis=0) for stretch in stretches]))


def _verdict(run: Run, attenuation: Estimate | None) -> tuple[str, str]:
    if not len(run.steps):
        return "inconclusive", "no step was recorded"
    reason = _divergence(run)
    if reason:
        return "diverged", reason
    dead = _dead_layers(run)
    if dead:
        which = dead[0] if len(dead) == 1 else f"{len(dead)} layers, the last one {dead[-1]},"
        return "dead", f"{which} got gradients of exactly 0 at the end"
    return _by_attenuation(attenuation)


def _by_attenuation(attenuation: Estimate | None) -> tuple[str, str]:
    if attenuation is None:
        return "inconclusive", f"fewer than {FEWEST_LAYERS} hidden layers"
    if attenuation.low > HEALTHY_ORDERS:
        return "vanishing", "the signal shrinks on its way down"
    if attenuation.high < -HEALTHY_ORDERS:
        return "exploding", "the signal grows on its way down"
    if attenuation.low > -HEALTHY_ORDERS and attenuation.high < HEALTHY_ORDERS:
        return "healthy", "the signal keeps its size"
    return "inconclusive", "the interval contains a limit"


def _divergence(run: Run) -> str:
    """Why the run counts as diverged; empty if it does not."""
    sound = sound_steps(run)
    broken = np.flatnonzero(np.nansum(run.grad_nonfinite, axis=1))
    # Steps that loss scaling skips do no harm: sound steps follow, or no weight was changed.
    broken_for_good = broken[broken > sound.max(initial=-1)]
    last_update = run.update_norm[broken_for_good[-1:]]
    if len(broken_for_good) and (last_update[:, has_gradient(run)] != 0).any():
        return f"gradients are NaN or infinite from step {run.steps[broken_for_good[0]]} on"
    norms = np.sqrt(np.nansum(np.square(run.weight_norm[sound].astype(float)), axis=1))
    if len(norms) and norms[0] > 0 and np.log10(norms.max() / norms[0]) > HEALTHY_ORDERS:
        return f"the weights grew {norms.max() / norms[0]:.0f}-fold"
    return ""


def _dead_layers(run: Run) -> list[str]:
    """Layers whose zeros at the end are no underflow, in the order of depth."""
    late = late_steps(run)
    if not len(late):
        return []
    columns = hidden_weights(run, signal_of(run))
    weights = run.weights.loc[columns]
    rms = 10 ** log_rms_of(run, columns, late).max(axis=0)
    is_silent = (run.grad_norm[late][:, columns] == 0).all(axis=0)
    is_output = run.weights["depth"] == run.weights["depth"].max()
    signal_above = np.nanmax(run.grad_norm[late][:, is_output], initial=0)
    dead: list[str] = []
    for index in reversed(range(len(columns))):
        # A dead layer silences every layer below it.
        if is_silent[index] and (signal_above > CLEARLY_ALIVE or dead):
            dead.insert(0, weights["layer"].iloc[index])
        signal_above = rms[index]
    return dead


def _kernel_numbers(run: Run) -> tuple[float, float, float]:
    """`first_rms`, `first_frozen` and `update_ratio` of a verdict; NaN where nothing is known."""
    if not len(sound_steps(run)):
        return np.nan, np.nan, np.nan
    first = profile(run, "kernel", sound_steps(run)[:1])
    early = profile(run, "kernel", early_steps(run))
    first_rms = np.nan if first.empty else float(first["rms"].iloc[0])
    if early.empty:
        return first_rms, np.nan, np.nan
    return first_rms, float(early["frozen"].iloc[0]), float(early["update_ratio"].median())


def _accuracies(run: Run) -> tuple[float, float]:
    """Training accuracy of the last epoch; held-out accuracy, from the test if there was one."""
    last = {} if run.epochs.empty else run.epochs.iloc[-1].to_dict()
    tested = run.info.get("test", [{}])[-1]
    held_out = float(tested.get("accuracy", last.get("val_accuracy", np.nan)))
    return last.get("accuracy", np.nan), held_out


def _at_chance(run: Run, accuracy: float) -> bool | None:
    """Whether guessing would reach this accuracy in one of forty tries."""
    if not {"classes", "train_images"} <= run.info.keys() or np.isnan(accuracy):
        return None
    chance, samples = 1 / run.info["classes"], run.info["train_images"]
    return bool(accuracy <= chance + 1.96 * np.sqrt(chance * (1 - chance) / samples))
