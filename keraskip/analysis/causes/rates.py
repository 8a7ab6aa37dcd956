"""Learning rates that are right by the size of the updates, and the line that sets one."""

from math import floor, isfinite, isnan, log10

import numpy as np

from keraskip.analysis.evidence import USUAL_RATIO, Evidence
from keraskip.analysis.heads import SQUARED
from keraskip.analysis.updates import medians

# Rates are named by the kernel that moves most, which may move three times as much as usual.
WANTED_RATIO = 3 * USUAL_RATIO
# A rate outside of these is unusual, whatever the sizes of a few steps say.
LOWEST_RATE, HIGHEST_RATE = 1e-6, 0.5
# The same for Adam and its kin, whose update of an element is about the rate.
HIGHEST_ADAPTIVE_RATE = 0.01
DEFAULT_SGD = 0.01
# Momentum m multiplies a rate by 1 / (1 - m) in the end: by more than 100 above the first of these
# (Sutskever et al. 2013 go as far only with a schedule that begins lower).
HIGHEST_MOMENTUM, USUAL_MOMENTUM = 0.99, 0.9
# Adam's default is good for most (Kingma & Ba 2015, algorithm 1), so a rate that is off by no more
# than this factor is that one.
ABOUT = 5.0
# Rates that train a network with normalisation and skips: He et al. 2016, section 3.4, and the
# default of Adam.
SOUND_RATES = {False: (3e-3, 0.2), True: (1e-4, 5e-3)}
SOUND_RATE = {False: 0.1, True: 1e-3}
ADAM = "`optimizer = keras.optimizers.Adam(learning_rate=0.001)`"
UPDATES = "Karpathy, CS231n: updates of about 1e-3 of the weights are usual"


def rate_for(
    evidence: Evidence, ratio: float, rate: float | None = None, step: int | None = None
) -> float:
    """The learning rate that would change the kernel that moves most by about 3e-3 in a step.

    Args:
        evidence: of the run.
        ratio: ||update|| / ||weight|| of that kernel at the rate in use.
        rate: the rate in use, by default the one that was used in most steps.
        step: the step of the ratio, by default the last one.
    """
    rate = evidence.rate if rate is None else rate
    if isnan(rate) or rate == 0 or not ratio > 0 or not isfinite(ratio):
        right = _by_weights(evidence) if evidence.is_adaptive else _by_gradients(evidence)
    else:
        right = rate * WANTED_RATIO / ratio * of_new_momentum(evidence, step)
    highest = HIGHEST_ADAPTIVE_RATE if evidence.is_adaptive else HIGHEST_RATE
    default = SOUND_RATE[True]
    if evidence.is_adaptive and default / ABOUT <= right <= default * ABOUT:
        return default
    return one_digit(float(np.clip(right, LOWEST_RATE, highest)))


def brisk_rate_for(evidence: Evidence, ratio: float) -> float:
    """The same for a network that learned too slowly, and so did not come to harm.

    The optimizer gets its default in Keras, for SGD 0.01, less with momentum, if that is no more
    than ten times what is right for the kernel that moves most: the others move by less.
    """
    right = rate_for(evidence, ratio)
    of_sgd = DEFAULT_SGD * (1 - wanted_momentum(evidence))
    default = SOUND_RATE[True] if evidence.is_adaptive else of_sgd
    return one_digit(max(right, min(default, 10 * right)))


def _by_gradients(evidence: Evidence) -> float:
    """From the sizes of weights and gradients, for SGD whose updates say nothing."""
    run, rows, columns = evidence.run, evidence.early, evidence.kernels
    with np.errstate(divide="ignore", invalid="ignore"):
        quotients = run.weight_norm[rows][:, columns] / run.grad_norm[rows][:, columns]
    found = medians(np.where(np.isfinite(quotients) & (quotients > 0), quotients, np.nan))
    if not len(found):
        return 0.01
    return WANTED_RATIO * float(found.min()) * (1 - wanted_momentum(evidence))


def _by_weights(evidence: Evidence) -> float:
    """From the sizes of weights: an update of Adam has an RMS of about the rate."""
    run, columns = evidence.run, evidence.kernels
    sizes = run.weights["size"].to_numpy(float)[columns]
    rms = (run.weight_norm[:1][:, columns] / np.sqrt(sizes)).ravel()
    rms = rms[np.isfinite(rms) & (rms > 0)]
    return WANTED_RATIO * float(np.median(rms)) if len(rms) else SOUND_RATE[True]


def one_digit(value: float) -> float:
    """The number with one significant digit."""
    return round(value, -floor(log10(abs(value)))) if value and isfinite(value) else value


def wanted_momentum(evidence: Evidence) -> float:
    """The momentum that a remedy names: the one in use, if it is usual; 0 if there is none."""
    momentum = float(evidence.optimizer.get("momentum") or 0)
    return momentum if momentum <= HIGHEST_MOMENTUM else USUAL_MOMENTUM


def of_new_momentum(evidence: Evidence, step: int | None = None) -> float:
    """What a rate is multiplied by so that updates stay as large with the momentum of the remedy.

    Momentum m adds up to 1 / (1 - m) steps, and no more than there were.
    """
    run = evidence.run
    last = int(run.steps[-1]) if step is None and len(run.steps) else step or 0
    powers = np.arange(last + 1)
    old = float(evidence.optimizer.get("momentum") or 0)
    return float((old**powers).sum() / (wanted_momentum(evidence) ** powers).sum())


def optimizer_line(evidence: Evidence, **settings: float) -> str:
    """A line that makes the run's optimizer with other settings; its momentum stays, if usual."""
    where = "" if evidence.optimizer.get("own") else "keras.optimizers."
    name = evidence.optimizer.get("class", "SGD")
    if evidence.optimizer.get("momentum"):
        settings["momentum"] = wanted_momentum(evidence)
    arguments = ", ".join(f"{key}={value:g}" for key, value in settings.items())
    return f"optimizer = {where}{name}({arguments})"


def with_sound_rate(evidence: Evidence) -> str:
    """The end of a remedy that changes the network: a rate for it, if the one in use is unusual.

    What the gradients are before the change says nothing about their size after it.
    """
    is_squared = any(head.loss in SQUARED for head in evidence.heads)
    if is_squared and not evidence.is_adaptive and evidence.optimizer:
        return f", and updates whose size does not depend on that of the loss: {ADAM}"
    if isnan(evidence.rate) or is_usual(evidence):
        return ""
    right = SOUND_RATE[evidence.is_adaptive]
    if not evidence.is_adaptive:
        # Momentum adds up steps, and a plain network has no normalisation that bears them.
        right = one_digit(right * (1 - wanted_momentum(evidence)))
    return f", and a usual rate: `{optimizer_line(evidence, learning_rate=right)}`"


def is_usual(evidence: Evidence) -> bool:
    """Whether the learning rate trains most networks."""
    low, high = SOUND_RATES[evidence.is_adaptive]
    return bool(low <= evidence.rate <= high)
