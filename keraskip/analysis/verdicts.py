"""Verdicts: what became of the signal in one run, or in the runs of several seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keraskip.analysis.estimates import FEWEST_LAYERS, Estimate, fall
from keraskip.analysis.profiles import (
    early_steps,
    hidden_weights,
    late_steps,
    log_rms,
    profile,
    signal_of,
    sound_steps,
)
from keraskip.runs import Run

# Between the first and the last hidden layer a healthy signal stays within two orders of
# magnitude. A convention: SGD gives all layers one learning rate, and with updates more than a
# hundred times smaller the one end stands still at the pace of the other.
HEALTHY_ORDERS = 2.0
# Far from the smallest number of float32, 1.4e-45: beside such a signal a zero is no underflow.
CLEARLY_ALIVE = 1e-20
# The steps that a verdict reads, in stretches whose means are nearly independent.
STRETCHES = 8

RULES = {
    "diverged": "gradients became NaN or infinite and stayed so, or the "
    f"weights grew by more than {HEALTHY_ORDERS:g} orders of magnitude",
    "dead": "at the end of the run a hidden layer gets gradients of exactly 0, while the recorded "
    f"layer above it has a signal above {CLEARLY_ALIVE:g}, too much for an underflow",
    "vanishing": "the 95 % interval of the attenuation at the beginning of the run lies above "
    f"{HEALTHY_ORDERS:g} orders of magnitude",
    "exploding": f"it lies below -{HEALTHY_ORDERS:g} orders",
    "healthy": "it lies between the two",
    "inconclusive": "anything else",
}


@dataclass(frozen=True)
class Verdict:
    """The finding about one run and the numbers behind it.

    Attributes:
        run: name of the run.
        verdict: one of `RULES`, the first one that holds.
        reason: why, in a few words.
        attenuation: by how many orders of magnitude the signal shrinks from the last to the first
            hidden layer, negative where it grows; None where there is too little to fit, and in a
            run that is dead or diverged.
        at_start: the same in the first sound step alone, where batch normalisation makes plain
            networks explode (Yang et al. 2019).
        signal: which signal that was, `backward` or, in networks without biases, `kernel`.
        first_rms: RMS gradient of the first kernel in the first sound step.
        first_frozen: share of the first kernel's elements that the early updates left as they were.
        update_ratio: median of ||update|| / ||weight|| of the hidden kernels in the early steps.
        nonfinite_steps: number of steps with a gradient that was NaN or infinite.
        accuracy: of the last epoch, on the training images.
        held_out: the same on the test images, which a study looks at once, in the end; else on
            those that `fit` validated with.
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


def judge(run: Run) -> Verdict:
    """The verdict on one run by `RULES`, with its numbers."""
    signal = signal_of(run)
    found = _attenuation(run, signal, early_steps(run))
    verdict, reason = _verdict(run, found)
    # A line through zeros says nothing.
    if verdict in ("dead", "diverged"):
        found = None
    first_rms, first_frozen, update_ratio = _kernels(run)
    accuracy, held_out = _accuracies(run)
    return Verdict(
        run=run.name,
        verdict=verdict,
        reason=reason,
        attenuation=found,
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


def judge_together(
    runs: Sequence[Run], single: Sequence[Verdict]
) -> tuple[str, str, Estimate | None]:
    """Verdict, reason and attenuation of one network over the runs of several seeds.

    Args:
        runs: those of the seeds.
        single: the verdict on each of them.
    """
    if len(runs) == 1:
        return single[0].verdict, single[0].reason, single[0].attenuation
    for special in ("diverged", "dead"):
        count = sum(verdict.verdict == special for verdict in single)
        if count == len(runs):
            return special, single[0].reason, None
        if count:
            return "inconclusive", f"{count} of {len(runs)} seeds {special}", None
    if not all(len(early_steps(run)) for run in runs):
        return "inconclusive", "a run without sound steps", None
    signal = single[0].signal
    columns = hidden_weights(runs[0], signal)
    heights = [log_rms(run, columns, early_steps(run)).mean(axis=0) for run in runs]
    found = fall(runs[0].weights["depth"].to_numpy(float)[columns], np.array(heights))
    return *_by_attenuation(found), found


def _attenuation(run: Run, signal: str, steps: np.ndarray) -> Estimate | None:
    """The fall of the signal in some steps, their stretches being the profiles."""
    if not len(steps):
        return None
    columns = hidden_weights(run, signal)
    heights = log_rms(run, columns, steps)
    stretches = np.array_split(heights, min(STRETCHES, len(heights)))
    depth = run.weights["depth"].to_numpy(float)[columns]
    return fall(depth, np.array([stretch.mean(axis=0) for stretch in stretches]))


def _verdict(run: Run, found: Estimate | None) -> tuple[str, str]:
    if not len(run.steps):
        return "inconclusive", "no step was recorded"
    reason = _divergence(run)
    if reason:
        return "diverged", reason
    dead = _dead_layers(run)
    if dead:
        which = dead[0] if len(dead) == 1 else f"{len(dead)} layers, the last one {dead[-1]},"
        return "dead", f"{which} got gradients of exactly 0 at the end"
    return _by_attenuation(found)


def _by_attenuation(found: Estimate | None) -> tuple[str, str]:
    if found is None:
        return "inconclusive", f"fewer than {FEWEST_LAYERS} hidden layers"
    if found.low > HEALTHY_ORDERS:
        return "vanishing", "the signal shrinks on its way down"
    if found.high < -HEALTHY_ORDERS:
        return "exploding", "the signal grows on its way down"
    if found.low > -HEALTHY_ORDERS and found.high < HEALTHY_ORDERS:
        return "healthy", "the signal keeps its size"
    return "inconclusive", "the interval contains a limit"


def _divergence(run: Run) -> str:
    """Why the run counts as diverged; empty if it does not."""
    sound = sound_steps(run)
    broken = np.flatnonzero(np.nansum(run.grad_nonfinite, axis=1))
    # What a loss scale skips does no harm: sound steps follow, or no weight was changed.
    for_good = broken[broken > sound.max(initial=-1)]
    updates = run.update_norm[for_good[-1:]]
    known = ~np.isnan(run.grad_norm).all(axis=0)
    if len(for_good) and (updates[:, known] != 0).any():
        return f"gradients are NaN or infinite from step {run.steps[for_good[0]]} on"
    norms = np.sqrt(np.nansum(np.square(run.weight_norm[sound].astype(float)), axis=1))
    if len(norms) and norms[0] > 0 and np.log10(norms.max() / norms[0]) > HEALTHY_ORDERS:
        return f"the weights grew {norms.max() / norms[0]:.0f}-fold"
    return ""


def _dead_layers(run: Run) -> list[str]:
    """Layers whose zeros at the end are no underflow of a signal that vanishes, first one first."""
    late = late_steps(run)
    if not len(late):
        return []
    columns = hidden_weights(run, signal_of(run))
    weights = run.weights.loc[columns]
    rms = 10 ** log_rms(run, columns, late).max(axis=0)
    silent = (run.grad_norm[late][:, columns] == 0).all(axis=0)
    output = run.weights["depth"] == run.weights["depth"].max()
    above = np.nanmax(run.grad_norm[late][:, output], initial=0)
    dead: list[str] = []
    for place in reversed(range(len(columns))):
        # Below a dead layer all is silent, for its sake.
        if silent[place] and (above > CLEARLY_ALIVE or dead):
            dead.insert(0, weights["layer"].iloc[place])
        above = rms[place]
    return dead


def _kernels(run: Run) -> tuple[float, float, float]:
    """RMS gradient at step 0 and early frozen share of the kernel nearest to the input, and the
    early ratio of update to weight of all kernels; NaN where gradients are.
    """
    if not len(sound_steps(run)):
        return np.nan, np.nan, np.nan
    first = profile(run, "kernel", sound_steps(run)[:1])
    early = profile(run, "kernel", early_steps(run))
    first_rms = np.nan if first.empty else float(first["rms"].iloc[0])
    if early.empty:
        return first_rms, np.nan, np.nan
    return first_rms, float(early["frozen"].iloc[0]), float(early["update_ratio"].median())


def _accuracies(run: Run) -> tuple[float, float]:
    """Training and held-out accuracy of the last epoch; of the test, where there was one."""
    last = {} if run.epochs.empty else run.epochs.iloc[-1].to_dict()
    tested = run.info.get("test", [{}])[-1]
    held_out = float(tested.get("accuracy", last.get("val_accuracy", np.nan)))
    return last.get("accuracy", np.nan), held_out


def _at_chance(run: Run, accuracy: float) -> bool | None:
    """Whether guessing would give so much or more in one of forty tries."""
    if not {"classes", "train_images"} <= run.info.keys() or np.isnan(accuracy):
        return None
    chance, images = 1 / run.info["classes"], run.info["train_images"]
    return bool(accuracy <= chance + 1.96 * np.sqrt(chance * (1 - chance) / images))
