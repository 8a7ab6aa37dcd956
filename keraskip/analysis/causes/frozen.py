"""Causes for which updates change nothing, though a gradient is there."""

import numpy as np

from keraskip.analysis.causes.rates import (
    ADAM,
    HIGHEST_RATE,
    UPDATES,
    brisk_rate_for,
    one_digit,
    optimizer_line,
    rate_for,
)
from keraskip.analysis.causes.untrained import faint_input
from keraskip.analysis.evidence import USUAL_RATIO, Evidence
from keraskip.analysis.finding import Finding
from keraskip.analysis.heads import constant_guess
from keraskip.analysis.losses import Losses
from keraskip.analysis.numbers import beside
from keraskip.analysis.updates import never_updated

# Below this share of the gradient that is left, clipping rules the size of the updates.
LITTLE_LEFT = 1e-3
# The same, where updates are small, too.
SOME_LEFT = 0.1
TOO_SLOW = 1e-4
# Losses that differ by less than this share are one.
SAME_LOSS = 0.02
# A loss that falls in small steps gets a rate this many times as high, or more.
FASTER, MUCH_FASTER = 10.0, 100.0
# Updates of this size beside the weights are too large to go on for long.
MUCH = 20 * USUAL_RATIO
# Below this share of the loss of a constant guess something makes the loss small, where the
# accuracy is that of chance; the same where the accuracy is unknown.
SMALL_AT_CHANCE, SMALL = 1e-2, 1e-5


def rate_zero(evidence: Evidence) -> Finding | None:
    """A learning rate of 0, in a network that fails.

    The median of the rates in the late steps is exactly 0; where no rate was recorded, the rate of
    the optimizer is.
    """
    known = evidence.scalar("learning_rate")[evidence.late]
    rate = float(np.nanmedian(known)) if np.isfinite(known).any() else evidence.rate
    if not (evidence.fails and rate == 0):
        return None
    right = rate_for(evidence, np.nan)
    first = np.nan_to_num(evidence.scalar("learning_rate")[:1]).sum()
    course = f"fell from {first:g} to 0" if first else "is 0"
    return Finding(
        "learning rate 0",
        f"Frozen: updates change nothing, the learning rate {course}.",
        f"`{optimizer_line(evidence, learning_rate=right)}`",
        UPDATES,
        steps=evidence.span,
        evidence={"learning_rate": 0.0},
    )


def rate_negative(evidence: Evidence) -> Finding | None:
    """A learning rate below 0, in a network that fails.

    It is the median of the recorded rates or, without any, the rate of the optimizer.
    """
    if not (evidence.fails and evidence.rate < 0):
        return None
    return Finding(
        "negative learning rate",
        f"The learning rate is {evidence.rate:g}: updates go up the loss.",
        f"`{optimizer_line(evidence, learning_rate=-evidence.rate)}`",
        "the gradient points to where the loss grows",
        steps=evidence.span,
        evidence={"learning_rate": evidence.rate},
    )


def clipping(evidence: Evidence) -> Finding | None:
    """Clipping that leaves next to nothing of the gradient, in a network that fails.

    The norm after clipping is below 0.1% of the norm before it, as a median over the steps. Or it
    is below 10%, and the kernel that moves most is updated by less than 1e-4 of itself, a tenth of
    what is usual. The limits are conventions: a threshold of about the usual norm (Pascanu et al.
    2013) leaves most of a gradient.
    """
    left = evidence.scalar("clip_factor")[evidence.sound]
    left = left[np.isfinite(left)]
    share = float(np.median(left)) if len(left) else 1.0
    is_slow = share < SOME_LEFT and evidence.ratio(evidence.sound) < TOO_SLOW
    if not (evidence.fails and (share < LITTLE_LEFT or is_slow)):
        return None
    squares = np.square(evidence.run.grad_norm[evidence.early].astype(float))
    norm = float(np.median(np.sqrt(np.nansum(squares, axis=1))))
    settings = {"global_clipnorm": float(f"{norm:.1g}")}
    if np.isfinite(evidence.rate):
        settings = {"learning_rate": evidence.rate, **settings}
    return Finding(
        "clipping",
        f"Frozen: clipping keeps {share:.1g} of the gradient, the signal is fine."
        if evidence.learning.state == "frozen"
        else f"Clipping keeps {share:.1g} of the gradient.",
        f"clip only what is larger than usual: `{optimizer_line(evidence, **settings)}`",
        "Pascanu et al. 2013, section 3.2: a threshold of about the gradient's average norm",
        steps=evidence.span,
        evidence={"clip_factor": share, "gradient_norm": norm},
    )


def loss_too_small(evidence: Evidence) -> Finding | None:
    """A loss that starts far below that of a constant guess, in a network that fails.

    It starts below 1% of that loss, if the accuracy ends less than 0.1 above chance or the
    `loss_weights` alone are below 0.01. Otherwise, as where no accuracy is known, it starts below
    1e-5: a network that was trained before has a small loss, too.

    Answers that do not follow the labels have at least the loss of the best constant one: the
    entropy of the labels (Gibbs' inequality) or their variance. Only a factor makes it smaller. How
    much smaller it has to be is a convention.
    """
    learning, guess = evidence.learning, constant_guess(evidence.run, with_factors=False)
    start = learning.start
    if not evidence.fails or start is None or not guess > 0:
        return None
    share = start.value / guess
    # A network that was trained before has a small loss, too, and an accuracy above chance.
    is_untaught = learning.accuracy < learning.chance + 0.1
    has_factor = constant_guess(evidence.run) < SMALL_AT_CHANCE * guess
    limit = SMALL_AT_CHANCE if is_untaught or has_factor else SMALL
    if not 0 < share < limit:
        return None
    return Finding(
        "loss too small",
        f"The loss begins at {share:.0e} of that of a constant guess, and the network does not "
        "know more: a factor makes the loss, and every gradient, as small.",
        "take the factor out: `loss_weights=None` in `compile`, or what your loss is multiplied by"
        + _at_full_size(evidence, share),
        "Gibbs' inequality; Kingma & Ba 2015: below epsilon, updates of Adam shrink, too",
        steps=evidence.span,
        evidence={"share": share, "loss": start.value, "guess": guess},
    )


def _at_full_size(evidence: Evidence, share: float) -> str:
    """The end of the remedy where the rate was made for the small loss: it would be too high.

    An update of SGD, with momentum or without, grows as the loss does.
    """
    ratio = evidence.ratio(evidence.sound) / share
    if evidence.is_adaptive or not ratio > MUCH or np.isnan(evidence.rate):
        return ""
    line = optimizer_line(evidence, learning_rate=rate_for(evidence, ratio))
    return f"; updates will then be {beside(ratio, 'the weights')}, so lower the rate: `{line}`"


def no_update(evidence: Evidence) -> Finding | None:
    """Gradients that are only accumulated, in a network that fails.

    No recorded step has an update, and the run has fewer steps than the optimizer accumulates.
    """
    if not (evidence.fails and never_updated(evidence.run)):
        return None
    steps = evidence.optimizer.get("gradient_accumulation_steps")
    settings = {"learning_rate": evidence.rate} if np.isfinite(evidence.rate) else {}
    return Finding(
        "no update",
        "Frozen: no update was made, as the optimizer only accumulates gradients"
        + (f", those of {steps} steps." if steps else "."),
        "accumulate fewer: "
        f"`{optimizer_line(evidence, **settings, gradient_accumulation_steps=4)}`",
        "Keras: an optimizer with gradient_accumulation_steps=N updates every N steps",
        steps=evidence.span,
        evidence={"accumulated_steps": float(steps or np.nan)},
    )


def updates_too_small(evidence: Evidence) -> Finding | None:
    """Updates that float arithmetic swallows, in a network that is *frozen*.

    They leave more than 99% of the elements of each kernel as they were, as a median over the
    steps: float32 rounds to 6e-8 of a number. Or all updates of the run together, in at least 20
    steps, are below 1e-4 of each kernel; 1e-4 is a convention.

    Usual is 0.001 (Karpathy, CS231n). It is not said where the rate is 0, where clipping is the
    cause, where gradients are only accumulated, or where untrained layers in front answer next to
    0.
    """
    if evidence.learning.state != "frozen" or rate_zero(evidence) or clipping(evidence):
        return None
    if no_update(evidence) or faint_input(evidence):
        return None
    ratio = evidence.ratio(evidence.sound)
    right = brisk_rate_for(evidence, ratio)
    with_rate = "" if np.isnan(evidence.rate) else f", with a learning rate of {evidence.rate:g}"
    return Finding(
        "updates too small",
        f"Frozen: updates change nothing, they are {beside(ratio, 'the weights')}{with_rate}; "
        f"about {USUAL_RATIO:g} is usual.",
        f"`{optimizer_line(evidence, learning_rate=right)}`",
        UPDATES,
        steps=evidence.span,
        evidence={"update_ratio": ratio, "learning_rate": evidence.rate, "right_rate": right},
    )


def too_slow(evidence: Evidence) -> Finding | None:
    """Updates far below the usual size, or a loss that still falls, in a network that is *not
    learning*.

    The kernel that moves most is updated by less than 1e-4 of itself, as a median over the steps: a
    tenth of the usual 0.001 (Karpathy, CS231n). Or by less than 0.001, while the loss still falls:
    from the second quarter of the run to the last one by its 95 % interval, or in each of at least
    4 epochs.

    A loss that still falls does not count where updates are above 0.0005 and the loss ends within
    2% of that of a constant guess: labels that do not follow from the inputs are learned by heart,
    little by little. The limits were chosen on the battery. It is not said where untrained layers
    in front answer next to 0.
    """
    losses = evidence.losses
    if evidence.learning.state != "not learning" or losses is None or faint_input(evidence):
        return None
    ratio = evidence.ratio(evidence.sound)
    falls = losses.still_fall and ratio < USUAL_RATIO and not _knows_the_shares(evidence, ratio)
    if not (ratio < TOO_SLOW or falls):
        return None
    faster = _by_the_fall(losses, evidence.learning.guess) if falls else FASTER
    right = one_digit(max(brisk_rate_for(evidence, ratio), faster * evidence.rate))
    if right <= evidence.rate:
        return None
    is_beyond = right > HIGHEST_RATE and not evidence.is_adaptive
    course = ", and the loss still falls at the end" if falls else ""
    return Finding(
        "too slow",
        f"Updates are {beside(ratio, 'the weights')}; about {USUAL_RATIO:g} is usual{course}.",
        f"updates that do not depend on the size of the gradient: {ADAM}"
        if is_beyond
        else f"`{optimizer_line(evidence, learning_rate=right)}`",
        UPDATES,
        steps=evidence.span,
        evidence={"update_ratio": ratio, "learning_rate": evidence.rate, "right_rate": right},
    )


def _knows_the_shares(evidence: Evidence, ratio: float) -> bool:
    """Whether the loss has come down to that of a constant guess, by updates of nearly usual size.

    A fall from there on is no sign of haste: labels that do not follow from the inputs are learned
    by heart, little by little.
    """
    losses, guess = evidence.losses, evidence.learning.guess
    is_there = losses is not None and abs(losses.end.value - guess) < SAME_LOSS * guess
    return bool(is_there and ratio > USUAL_RATIO / 2)


def _by_the_fall(losses: Losses, guess: float) -> float:
    """How many times as fast the loss has to fall to come to half of a constant guess.

    A loss that falls slowly falls in proportion to the rate.
    """
    start = losses.start.value
    wanted = start - (guess if guess > 0 else start) / 2
    if not (losses.fall > 0 and wanted > 0):
        return FASTER
    return float(np.clip(wanted / losses.fall, FASTER, MUCH_FASTER))
