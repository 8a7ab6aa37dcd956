"""Learning rates that are right by the size of the updates, and the line that sets one."""

from math import floor, isfinite, isnan, log10

import numpy as np

from keraskip.analysis.evidence import USUAL_RATIO, Evidence
from keraskip.analysis.updates import medians

# Keras' own default for Adam and its kin.
USUAL_ADAPTIVE_RATE = 1e-3
# Plain SGD with a rate outside of these is unusual, whatever the sizes in the first steps say.
LOWEST_RATE, HIGHEST_RATE = 1e-6, 0.5
UPDATES = "Karpathy, CS231n: updates of about 1e-3 of the weights are usual"


def rate_for(evidence: Evidence, ratio: float, rate: float | None = None) -> float:
    """The learning rate that would change weights by about 1e-3 in a step.

    Args:
        evidence: of the run.
        ratio: ||update|| / ||weight|| at the rate in use.
        rate: the rate in use, by default the one that was used in most steps.
    """
    rate = evidence.rate if rate is None else rate
    if evidence.is_adaptive:
        return USUAL_ADAPTIVE_RATE if isnan(rate) or rate < 0.1 else 3e-4
    if isnan(rate) or rate == 0 or not ratio > 0 or not isfinite(ratio):
        return _by_gradients(evidence)
    return one_digit(float(np.clip(rate * USUAL_RATIO / ratio, LOWEST_RATE, HIGHEST_RATE)))


def _by_gradients(evidence: Evidence) -> float:
    """From the sizes of weights and gradients, for SGD whose updates say nothing."""
    run, rows, columns = evidence.run, evidence.early, evidence.kernels
    with np.errstate(divide="ignore", invalid="ignore"):
        quotients = run.weight_norm[rows][:, columns] / run.grad_norm[rows][:, columns]
    found = medians(np.where(np.isfinite(quotients) & (quotients > 0), quotients, np.nan))
    if not len(found):
        return 0.01
    momentum = float(evidence.optimizer.get("momentum") or 0)
    rate = USUAL_RATIO * float(found.min()) * (1 - momentum)
    return one_digit(float(np.clip(rate, LOWEST_RATE, HIGHEST_RATE)))


def one_digit(value: float) -> float:
    """The number with one significant digit."""
    return round(value, -floor(log10(abs(value)))) if value and isfinite(value) else value


def optimizer_line(evidence: Evidence, **settings: float) -> str:
    """A line that makes the run's optimizer with other settings; its momentum stays."""
    name = evidence.optimizer.get("class", "SGD")
    if evidence.optimizer.get("momentum"):
        settings["momentum"] = float(evidence.optimizer["momentum"])
    arguments = ", ".join(f"{key}={value:g}" for key, value in settings.items())
    return f"optimizer = keras.optimizers.{name}({arguments})"
