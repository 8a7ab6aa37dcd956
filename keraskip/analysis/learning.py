"""Whether a network learns: from its loss, and from what its updates change."""

from dataclasses import dataclass

import numpy as np

from keraskip.analysis.estimates import Estimate
from keraskip.analysis.heads import chance, constant_guess, training_accuracy
from keraskip.analysis.losses import Losses, losses_of
from keraskip.analysis.updates import frozen_all_along, frozen_at_the_end
from keraskip.runs import Run

# A network has learned something when a twentieth of what a constant guess leaves open is gone.
# This is a convention: less is within the reach of shifted class shares.
LEARNED_SHARE = 0.05
# The same for the accuracy, from chance (0) to perfect (1).
ABOVE_CHANCE = 0.1
# With fewer steps nothing is said, and with fewer than the second number no "not learning".
FEWEST_STEPS, FEWEST_TO_FAIL = 20, 50
# A loss that falls is given this many steps before it counts as not learning.
FEWEST_WHILE_FALLING = 100
# Without the loss of each step: the epochs, and how clearly the loss has to fall without an
# interval.
FEWEST_EPOCHS, CLEAR_FALL = 3, 0.1
# A loss this many times as large as at the start is on its way to infinity.
BLOWN_UP = 10.0

LEARNING_RULES = {
    "diverged": "weights or loss became NaN or infinite and stayed so, or the loss ends above "
    f"{BLOWN_UP:g} times that of the start and of a constant guess",
    "learning": "the 95 % interval of the loss at the end lies below that of a constant guess "
    f"(where that is unknown, below the start) by more than {LEARNED_SHARE:.0%}, and below the "
    f"start, or the accuracy has left chance by more than {ABOVE_CHANCE:.0%} of the way to 1",
    "frozen": "updates leave more than 99 % of the elements of every kernel as they were, or all "
    "of them together are below 1e-4 of the weights; gradients of exactly 0 do not count",
    "not learning": "the loss does not fall below that of a constant guess (where it is unknown, "
    f"below the start) in at least {FEWEST_TO_FAIL} steps, while it falls {FEWEST_WHILE_FALLING}",
    "unknown": "anything else, such as a run without losses or of few steps",
}


@dataclass(frozen=True)
class Learning:
    """Whether the network of a run learns.

    Attributes:
        state: the first one of `LEARNING_RULES` that holds.
        reason: the numbers behind it, in a few words.
        start: loss at the beginning; None if unknown.
        end: loss at the end, with an interval that knows that neighbouring steps are alike; None
            if unknown.
        guess: the loss of the best constant answer; NaN where it cannot be known.
        accuracy: of the last epoch, on the training samples; NaN if there is none.
        chance: the accuracy of the best constant answer; NaN where it cannot be known.
        since: the first step of what cannot be recovered, for a run that diverged; else None.
        source: where the losses come from, `"steps"`, `"epochs"` or, without losses, empty.
    """

    state: str
    reason: str
    start: Estimate | None
    end: Estimate | None
    guess: float
    accuracy: float
    chance: float
    since: int | None
    source: str

    @property
    def fails(self) -> bool:
        """Whether it is known that the network does not learn."""
        return self.state in ("not learning", "frozen", "diverged")


def learning_of(run: Run) -> Learning:
    """Whether the network of a run learns, by `LEARNING_RULES`."""
    losses = losses_of(run)
    numbers = (constant_guess(run), training_accuracy(run), chance(run))
    state, reason, since = _state(run, losses, *numbers)
    return Learning(
        state,
        reason,
        losses.start if losses else None,
        losses.end if losses else None,
        *numbers,
        since=since,
        source=losses.source if losses else "",
    )


def _state(
    run: Run, losses: Losses | None, guess: float, accuracy: float, by_chance: float
) -> tuple[str, str, int | None]:
    broken = _broken_since(run)
    if broken is not None:
        return "diverged", f"NaN or infinite from step {broken} on", broken
    words = _words(losses, guess, accuracy, by_chance)
    if losses and _has_blown_up(losses, guess):
        return "diverged", words, int(losses.steps[0])
    above_chance = _is_above_chance(run, accuracy, by_chance)
    learns = above_chance or _has_learned(losses, guess)
    if frozen_all_along(run) and not (learns and losses and _fell(losses)):
        return "frozen", f"updates change nothing; {words}", None
    if learns and (above_chance or (losses and _fell(losses))):
        return "learning", words, None
    if frozen_at_the_end(run):
        return "frozen", f"updates change nothing at the end; {words}", None
    state, why = _without_success(run, losses, guess, accuracy, by_chance)
    return state, f"{why}{words}", None


def _broken_since(run: Run) -> int | None:
    """The step from which on gradients, weights or losses are not finite; None if they are."""
    if not len(run.steps):
        return None
    here = ~run.missing
    # Loss scaling skips a step whose numbers are infinite: its update is 0.
    is_applied = (here & (run.update_norm != 0)).any(axis=1)
    is_skipped = (run.scalars.get("loss_scale", np.ones(len(run.steps))) != 1) & ~is_applied
    bad = (here & ~np.isfinite(run.weight_norm)).any(axis=1)
    bad |= (np.nan_to_num(run.grad_nonfinite) > 0).any(axis=1) & is_applied
    loss = run.scalars.get("loss", np.zeros(len(run.steps)))
    # A loss that was never known is NaN, too.
    was_known = np.maximum.accumulate(np.isfinite(loss))
    bad |= (was_known & ~np.isfinite(loss) | np.isinf(loss)) & ~is_skipped
    sound = np.flatnonzero(~bad)
    first = int(sound[-1]) + 1 if len(sound) else 0
    return int(run.steps[first]) if first < len(run.steps) else None


def _has_blown_up(losses: Losses, guess: float) -> bool:
    limit = max(losses.start.value, np.nan_to_num(guess))
    low = losses.end.value - np.nan_to_num(losses.end.margin)
    return limit > 0 and low > BLOWN_UP * limit


def _has_learned(losses: Losses | None, guess: float) -> bool:
    """Whether the end lies clearly below the guess, or the start, and not above the start."""
    if losses is None or (losses.source == "steps" and len(losses.values) < FEWEST_STEPS):
        return False
    limit = _limit(losses, guess)
    share = LEARNED_SHARE if losses.source == "steps" else CLEAR_FALL
    return _high(losses.end) < limit - share * abs(limit) and not _rose(losses, limit)


def _limit(losses: Losses, guess: float) -> float:
    """What the loss has to fall below: a constant guess or, where it is unknown, the start."""
    return guess if guess > 0 else losses.start.value


def _rose(losses: Losses, limit: float) -> bool:
    rise = losses.end - losses.start
    return rise.value > LEARNED_SHARE * abs(limit) and rise.low > 0


def _fell(losses: Losses) -> bool:
    """Whether the loss at the end lies below that at the start."""
    fall = losses.start - losses.end
    return fall.value - np.nan_to_num(fall.margin) > 0


def _is_above_chance(run: Run, accuracy: float, by_chance: float) -> bool:
    if np.isnan(accuracy) or np.isnan(by_chance):
        return False
    counts = [row.get("count", 0) for row in run.info.get("labels") or []]
    samples = max(run.info.get("train_images", 0), min(counts, default=0)) or 100
    noise = 3 * np.sqrt(by_chance * (1 - by_chance) / samples)
    return accuracy > by_chance + max(noise, ABOVE_CHANCE * (1 - by_chance))


def _is_at_chance(accuracy: float, by_chance: float) -> bool:
    """Whether it is known that the accuracy is no better than chance."""
    return bool(accuracy <= by_chance + ABOVE_CHANCE * (1 - by_chance))


def _without_success(
    run: Run, losses: Losses | None, guess: float, accuracy: float, by_chance: float
) -> tuple[str, str]:
    """State, and the beginning of the reason, where nothing shows that the network learns."""
    if losses is None:
        return _by_accuracy(run, accuracy, by_chance)
    if losses.source == "epochs":
        return _by_epochs(losses)
    count = int(run.steps[-1] - run.steps[0]) + 1
    if len(losses.values) < FEWEST_STEPS or count < FEWEST_TO_FAIL:
        return "unknown", f"{len(losses.values)} steps are too few to tell; "
    falls = losses.still_fall
    if falls and count < FEWEST_WHILE_FALLING:
        return "unknown", f"the loss falls, but {count} steps are too few to tell; "
    limit = _limit(losses, guess)
    if _has_learned(losses, guess):
        known = "not learning" if _is_at_chance(accuracy, by_chance) else "unknown"
        return known, "the loss is low from the start, and does not fall; "
    might = losses.end.low < limit - LEARNED_SHARE * abs(limit) and not _rose(losses, limit)
    if might and losses.end.value < limit - LEARNED_SHARE / 2 * abs(limit):
        return "unknown", "the interval of the loss at the end contains the limit; "
    # Regularisation or a sum over the batch lift the loss above any guess.
    is_above = limit + LEARNED_SHARE * abs(limit) < losses.end.value < losses.start.value / 2
    if falls and is_above and np.isnan(accuracy):
        return "unknown", "the loss falls, but is not below that of a constant guess; "
    return "not learning", ""


def _by_accuracy(run: Run, accuracy: float, by_chance: float) -> tuple[str, str]:
    """Where there is no loss at all, an accuracy that stays at chance still tells."""
    is_known = not (np.isnan(accuracy) or np.isnan(by_chance))
    if is_known and len(run.epochs) >= FEWEST_EPOCHS:
        return "not learning", ""
    return "unknown", "no loss was recorded; "


def _by_epochs(losses: Losses) -> tuple[str, str]:
    if len(losses.values) < FEWEST_EPOCHS:
        return "unknown", "no loss of each step was recorded, and the epochs are too few to tell; "
    fall = (losses.start.value - losses.end.value) / max(abs(losses.start.value), 1e-12)
    if fall < LEARNED_SHARE:
        return "not learning", ""
    return "unknown", "the loss of each step was not recorded, and that of the epochs falls; "


def _high(estimate: Estimate) -> float:
    return estimate.value + float(np.nan_to_num(estimate.margin))


def _words(losses: Losses | None, guess: float, accuracy: float, by_chance: float) -> str:
    """Loss and accuracy, each beside that of a constant guess."""
    parts = []
    if losses:
        beside = "" if np.isnan(guess) else f", a constant guess has {guess:.3g}"
        start, end = losses.start.value, losses.end.value
        parts.append(f"loss {start:.3g} at the start, {end:.3g} at the end{beside}")
    if not np.isnan(accuracy):
        beside = "" if np.isnan(by_chance) else f", chance {by_chance:.2f}"
        parts.append(f"accuracy {accuracy:.2f}{beside}")
    return "; ".join(parts) or "there is no loss"
