"""Causes that show in the course of the training: rates too high, overflow, late failure."""

import numpy as np

from keraskip.analysis.causes.level import NORMALIZATION
from keraskip.analysis.causes.rates import (
    UPDATES,
    of_new_momentum,
    one_digit,
    optimizer_line,
    rate_for,
    with_sound_rate,
)
from keraskip.analysis.evidence import FIRST_STEPS, USUAL_RATIO, Evidence
from keraskip.analysis.finding import Finding
from keraskip.analysis.heads import broken_labels
from keraskip.analysis.losses import Losses
from keraskip.analysis.numbers import beside, plain
from keraskip.analysis.special import broken_at_first

# Two hundred times the usual update; sound trainings begin with up to 0.13.
HIGH_RATIO = 0.2
# Gradients of the first steps are larger than later ones, so there updates may be, too.
FIRST_ARE_LARGER = 3.0
# Updates below a hundredth of the usual size say nothing about their rate, as in a warm-up.
SOME_CHANGE = 0.01 * USUAL_RATIO
# A warm-up rises by less from one step to the next, but for its first ones.
JUMP = 2.5
# A network that had learned this share of what a constant guess leaves open did learn.
LEARNED_FIRST = 0.2


def rate_too_high(evidence: Evidence) -> Finding | None:
    """Updates that throw the weights away, in a network that fails.

    In one of the first 10 steps, or of the last 10 before the numbers break, an update changes a
    kernel by more than 0.2 of itself: 200 times the usual 0.001 (Karpathy, CS231n). Sound trainings
    begin with up to 0.13. The steps in which the rate is more than twice the first one are looked
    at, too. Of a network that had learned before, only the first 10 steps are.

    A kernel that begins below 1% of the size of LeCun et al. 1998 has no size to compare with. The
    rate that would be right has to be half of the one in use, or less, and Adam and its kin must
    have one above 0.003. The first updates may be 3 times as large as later ones. These limits were
    chosen on the battery.

    Without a loss, only an update larger than the weights themselves is beyond doubt. Where the
    rate jumped by more than 2.5 times from one of the 10 steps before to the next, and the updates
    before were above 1e-5, it is called a *late failure*: a warm-up rises by less.
    """
    if not (evidence.fails or evidence.losses is None):
        return None
    row, ratio = _first_high(evidence, evidence.first_rows)
    if row is None and not late_failure(evidence):
        rows = np.union1d(evidence.rows_of_a_higher_rate, evidence.rows_before_the_break)
        row, ratio = _first_high(evidence, rows)
    if row is None or (not evidence.fails and ratio < 1):
        return None
    rate = evidence.scalar("learning_rate")[row]
    rate = evidence.rate if np.isnan(rate) else float(rate)
    step = int(evidence.run.steps[row])
    right = rate_for(evidence, ratio / FIRST_ARE_LARGER, rate, step)
    # With less momentum the same rate would be a lower one.
    is_lower = right <= rate / 2 * of_new_momentum(evidence, step)
    if (evidence.is_adaptive and rate <= 3e-3) or not (is_lower or np.isnan(rate)):
        return None
    start, end = evidence.learning.start, evidence.learning.end
    course = ""
    if start and end and evidence.learning.since is None:
        course = f"; the loss goes from {plain(start.value)} to {plain(end.value)}"
    with_rate = "" if np.isnan(rate) else f" with a learning rate of {rate:g}"
    when = "first updates" if row < FIRST_STEPS else f"updates of step {step}"
    remedy = _lower(evidence, row, right)
    return Finding(
        # The rate was right before it jumped.
        "late failure" if remedy.startswith("keep") else "learning rate too high",
        f"The {when} change a kernel by {beside(ratio, 'itself', 2)}{with_rate}; about "
        f"{USUAL_RATIO:g} is usual{course}.",
        remedy,
        UPDATES,
        steps=evidence.span,
        evidence={"update_ratio": ratio, "learning_rate": rate, "right_rate": right},
    )


def _lower(evidence: Evidence, row: int, right: float) -> str:
    """The rate of the steps before a jump, if it changed anything; else the right one."""
    rows = np.arange(max(0, row - FIRST_STEPS), row + 1)
    rates = evidence.scalar("learning_rate")[rows]
    jumps = np.flatnonzero(rates[1:] > JUMP * rates[:-1])
    if len(jumps) and evidence.ratio(rows[: jumps[0] + 1]) > SOME_CHANGE:
        before = float(rates[jumps[0]])
        return f"keep the rate: `{optimizer_line(evidence, learning_rate=before)}`"
    return f"`{optimizer_line(evidence, learning_rate=right)}`"


def _first_high(evidence: Evidence, rows: np.ndarray) -> tuple[int | None, float]:
    """The first of some rows whose update is far too large, and its size beside the weights.

    What comes after it is chaos, and its numbers give no rate.
    """
    ratios = evidence.largest_ratios(rows)
    high = np.flatnonzero(ratios > HIGH_RATIO)
    return (int(rows[high[0]]), float(ratios[high[0]])) if len(high) else (None, 0.0)


def overflow_at_once(evidence: Evidence) -> Finding | None:
    """NaN or infinite gradients in step 0, before any update, from finite inputs.

    One such number is enough (IEEE 754), if none of the later steps recovers. It is not said where
    labels of any batch or the weights of step 0 are not finite.
    """
    run = evidence.run
    is_input = (evidence.scalar("input_nonfinite")[:1] > 0).any()
    if evidence.learning.since != 0 or is_input or not len(run.steps) or run.steps[0] != 0:
        return None
    if broken_labels(run) or broken_at_first(run) or not np.nansum(run.grad_nonfinite[0]):
        return None
    loss = float(evidence.scalar("loss")[0])
    is_weighted = any(head.labels.get("weighted") for head in evidence.heads)
    others = ", or the weight of a sample is not finite" * is_weighted
    what = f"the activations overflow on their way up{others}."
    remedy = (
        'bounded growth: `activation="relu"` with `kernel_initializer="he_normal"`, and '
        f"`{NORMALIZATION}` after each hidden layer" + with_sound_rate(evidence)
    )
    if np.isfinite(loss):
        what = (
            f"the loss is finite, {plain(loss)}, so a derivative overflows, as that of a square "
            "root or a division at 0."
        )
        remedy = (
            "keep what a square root, a norm, a logarithm or a division gets away from 0: "
            "`keras.ops.sqrt(x + 1e-7)`"
        )
    return Finding(
        "overflow in the first step",
        f"Gradients are NaN or infinite in step 0, before any update: {what}",
        remedy,
        "He et al. 2015b, section 2.2" if not np.isfinite(loss) else "the chain rule",
        steps=(0, 0),
        evidence={"step": 0.0},
    )


def late_failure(evidence: Evidence) -> Finding | None:
    """A network that had learned, and lost it, so that it fails.

    The mean loss over 10 steps, or over 2% of them if that is more, once was below that of a
    constant guess by more than 20% of it (where the guess is unknown, below the start). In the last
    quarter of the run it never comes back to half of the way down. 20% was chosen on the battery.

    The run has a loss for each step, at least 30 of them. It is said, too, where the learning rate
    jumped, as *learning rate too high* tells.
    """
    losses = evidence.losses
    if not evidence.fails or losses is None or losses.source != "steps":
        return None
    guess = evidence.learning.guess
    limit = guess if guess > 0 else losses.start.value
    best, since = _turning_point(losses, limit)
    # A loss of 0 all along never was better than a limit of 0.
    if since is None or not best < limit - LEARNED_FIRST * abs(limit):
        return None
    if evidence.learning.since is not None:
        since = min(since, evidence.learning.since)
    return _fell_back(evidence, since, best, losses.end.value)


def _turning_point(losses: Losses, limit: float) -> tuple[float, int | None]:
    """The best mean loss of a stretch, and the step from which on it is half lost."""
    width = max(10, len(losses.values) // 50)
    if len(losses.values) < 3 * width:
        return np.inf, None
    smooth = np.convolve(losses.values, np.ones(width) / width, "valid")
    best = int(smooth.argmin())
    # Batches that are easier than others come back in every epoch.
    if smooth[-len(smooth) // 4 :].min() < (smooth[best] + limit) / 2:
        return float(smooth[best]), None
    lost = np.flatnonzero(smooth[best:] > (smooth[best] + limit) / 2)
    first = best + int(lost[0]) + width // 2 if len(lost) else len(losses.steps) - 1
    return float(smooth[best]), int(losses.steps[first])


def _fell_back(evidence: Evidence, since: int, best: float, end: float) -> Finding:
    run = evidence.run
    before = evidence.sound[run.steps[evidence.sound] < since]
    squares = np.square(run.grad_norm[before].astype(float))
    norm = float(np.median(np.sqrt(np.nansum(squares, axis=1)))) if len(before) else 1.0
    then = "NaN" if evidence.learning.state == "diverged" else f"a loss of {plain(end)}"
    remedy, rose = _steadier(evidence, before, float(f"{max(norm, 1e-3):.1g}"))
    return Finding(
        "late failure",
        f"Healthy until step {since}, with a loss of {plain(best)}, then {then}{rose}.",
        remedy,
        "Pascanu et al. 2013, section 3.2",
        steps=(since, int(run.steps[-1])),
        evidence={"best_loss": best, "end_loss": end, "gradient_norm": norm},
    )


def _steadier(evidence: Evidence, before: np.ndarray, norm: float) -> tuple[str, str]:
    """The remedy, and what the learning rate did, after a training that was sound before."""
    rates = evidence.scalar("learning_rate")
    if not len(before) or np.isnan(rates[before]).any():
        return f"clip: `{optimizer_line(evidence, global_clipnorm=norm)}`", ""
    rate, highest = float(np.median(rates[before])), float(np.nanmax(rates))
    if highest > 2 * rate:
        rose = f"; the learning rate rose from {rate:g} to {highest:g}"
        return f"keep the rate: `{optimizer_line(evidence, learning_rate=rate)}`", rose
    line = optimizer_line(evidence, learning_rate=one_digit(rate / 3), global_clipnorm=norm)
    return f"clip at the usual norm of the gradient, and lower the rate: `{line}`", ""
