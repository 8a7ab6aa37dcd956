"""Whether a network learns: from its loss, and from what its updates change."""

from dataclasses import dataclass

import numpy as np

from keraskip.analysis.estimates import Estimate
from keraskip.analysis.held_out import HeldOut, no_better_on_held_out
from keraskip.analysis.losses import SOME_FALL, Losses, never_finite
from keraskip.analysis.named_losses import why_unknown
from keraskip.analysis.numbers import plain
from keraskip.analysis.progress import (
    ABOVE_CHANCE,
    BLOWN_UP,
    CLEAR_FALL,
    CLEARLY_ABOVE_CHANCE,
    FEWEST_EPOCHS,
    FEWEST_STEPS,
    LEARNED_SHARE,
    Idle,
    Progress,
    idle_outputs,
    progress_of,
)
from keraskip.analysis.updates import (
    FROZEN_SHARE,
    NO_WAY,
    frozen_all_along,
    frozen_at_the_end,
    never_updated,
)
from keraskip.runs import Run

# In fewer steps nothing is "not learning", nor is a loss that falls in fewer than the second
# number.
FEWEST_TO_FAIL, FEWEST_WHILE_FALLING = 50, 100

LEARNING_RULES = {
    "diverged": "weights or loss became NaN or infinite and stayed so (IEEE 754), or the 95 % "
    f"interval of the loss at the end lies above {BLOWN_UP:g} times that of the start and of a "
    "constant guess (a convention)",
    "learning": "the 95 % interval of the loss at the end lies below that of a constant guess "
    f"(where that is unknown, below the start) by more than {LEARNED_SHARE:.0%}, by "
    f"{CLEAR_FALL:.0%} where only epochs have a loss, and below the start; or the accuracy has "
    f"left chance by more than {CLEARLY_ABOVE_CHANCE:.0%} of the way to 1, or by "
    f"{ABOVE_CHANCE:.0%} where the interval of the loss leaves it open, and by three standard "
    "errors. These are conventions: less is within the reach of shifted class shares, and of "
    "single samples learned by heart. It is not said where "
    "the accuracy stays at chance under a crossentropy of L nats whose exp(-L), the share of "
    "right answers that it tells of, is above chance by as much (Jensen's inequality), nor where "
    f"one of several outputs has no lower loss than a constant guess after {FEWEST_EPOCHS} epochs "
    f"of {FEWEST_WHILE_FALLING} steps in all",
    "frozen": f"updates leave more than {FROZEN_SHARE:.0%} of the elements of every kernel as they "
    "were (float32 rounds to 6e-8 of a number), or all of them together are below "
    f"{NO_WAY:g} of the weights (a convention); gradients of exactly 0 do not count; or no "
    f"update was made in {FEWEST_TO_FAIL} steps, as gradients were only accumulated",
    "not learning": "the loss does not fall below that of a constant guess (where it is unknown, "
    f"below the start) in at least {FEWEST_TO_FAIL} steps, while it falls {FEWEST_WHILE_FALLING}; "
    f"where only epochs have a loss, it falls by less than {LEARNED_SHARE:.0%} in {FEWEST_EPOCHS} "
    "of them or more (conventions)",
    "unknown": "anything else, such as a run without losses, one of few steps, an interval that "
    "contains the limit, or a loss that has just begun to fall: faster from quarter to quarter of "
    f"the run, and in the last one by more than {SOME_FALL:.0%} (a convention)",
}


@dataclass(frozen=True)
class Learning:
    """Whether the network of a run learns.

    Attributes:
        state: the first one of `LEARNING_RULES` that holds.
        reason: the numbers behind it, in a few words.
        start: loss at the beginning, or before the first update if the first updates threw it up;
            None if unknown.
        end: loss at the end, with an interval that knows that neighbouring steps are alike; None
            if unknown.
        guess: the loss of the best constant answer; NaN where it cannot be known.
        accuracy: of the last epoch, on the training samples; NaN if there is none.
        chance: the accuracy of the best constant answer; NaN where it cannot be known.
        since: the first step of what cannot be recovered, for a run that diverged; else None.
        source: where the losses come from, `"steps"`, `"epochs"` or, without losses, empty.
        idle: of several outputs that together have learned, the names of those that are no better
            than a constant guess. In the state "learning" their losses fall; if any does not, the
            state is "not learning", and only those whose loss does not fall are named.
        held_out: loss and accuracy on held-out samples, where the network learns and they are no
            better than those of a constant guess; else None.
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
    idle: tuple[str, ...] = ()
    held_out: HeldOut | None = None

    @property
    def fails(self) -> bool:
        """Whether it is known that the network does not learn."""
        return self.state in ("not learning", "frozen", "diverged")


def learning_of(run: Run) -> Learning:
    """Whether the network of a run learns, by `LEARNING_RULES`."""
    progress = progress_of(run)
    idle = _idle(run) if progress.is_low and progress.fell else []
    stuck = [output for output in idle if not output.falls]
    state, reason, since = _state(run, progress, stuck)
    losses = progress.losses
    return Learning(
        state,
        reason,
        losses.before if losses else None,
        losses.end if losses else None,
        progress.guess,
        progress.accuracy,
        progress.chance,
        since,
        losses.source if losses else "",
        tuple(each.name for each in (stuck if state == "not learning" else idle)),
        no_better_on_held_out(run, progress) if state == "learning" else None,
    )


def _state(run: Run, progress: Progress, stuck: list[Idle]) -> tuple[str, str, int | None]:
    """State, reason, and since when it cannot be recovered; `stuck` outputs learn nothing."""
    broken = _broken_since(run)
    words = progress.words
    if broken is not None:
        return "diverged", f"NaN or infinite from step {broken} on", broken
    if progress.has_blown_up:
        return "diverged", words, None
    if never_finite(run):
        said = "the loss is NaN or infinite in every step"
        if progress.is_above_chance:
            return "learning", _joined(progress.accuracy_words, said), None
        return "diverged", said, int(run.steps[0]) if len(run.steps) else None
    if never_updated(run) and not (progress.fell and progress.is_low):
        return _without_update(run, words)
    if frozen_all_along(run) and not (progress.fell and progress.is_low):
        return "frozen", _joined("updates change nothing", words), None
    if progress.is_belied:
        said = "the loss falls, and the answers are none the better"
        return "not learning", _joined(said, progress.accuracy_words, words), None
    if progress.is_low and progress.fell:
        state = "not learning" if stuck else "learning"
        return state, _joined(*map(str, stuck), words), None
    if progress.is_above_chance:
        return "learning", _joined(progress.accuracy_words, words), None
    if frozen_at_the_end(run):
        return "frozen", _joined("updates change nothing at the end", words), None
    state, why = _without_success(run, progress)
    return state, _joined(why, words), None


def _without_update(run: Run, words: str) -> tuple[str, str, int | None]:
    count = _count(run)
    state = "frozen" if count >= FEWEST_TO_FAIL else "unknown"
    return state, _joined(f"no update was made in {count} step{'s' * (count > 1)}", words), None


def _idle(run: Run) -> list[Idle]:
    return idle_outputs(run) if _count(run) >= FEWEST_WHILE_FALLING else []


def _count(run: Run) -> int:
    """The number of steps from the first recorded one to the last."""
    return int(run.steps[-1] - run.steps[0]) + 1 if len(run.steps) else 0


def _joined(*parts: str) -> str:
    return "; ".join(filter(None, parts))


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


def _without_success(run: Run, progress: Progress) -> tuple[str, str]:
    """State, and the beginning of the reason, where nothing shows that the network learns."""
    losses = progress.losses
    if not len(run.steps):
        return "unknown", "no step was recorded"
    if losses is None:
        return _by_accuracy(run, progress)
    if losses.source == "epochs":
        return _by_epochs(losses)
    count = _count(run)
    if len(losses.values) < FEWEST_STEPS or count < FEWEST_TO_FAIL:
        return "unknown", _too_few(run, len(losses.values))
    if losses.still_fall and count < FEWEST_WHILE_FALLING:
        return "unknown", f"the loss falls, but {count} steps are too few to tell"
    if progress.is_low:
        known = "not learning" if progress.is_at_chance else "unknown"
        return known, "the loss is low, and no fall since its start is certain"
    if progress.might_be_low:
        return "unknown", "the interval of the loss at the end contains the limit"
    if losses.begins_to_fall and not progress.is_far:
        return "unknown", "the loss has just begun to fall"
    if losses.still_fall and _is_lifted(losses, progress):
        return "unknown", "the loss falls, but is not below that of a constant guess"
    if losses.still_fall and progress.is_far:
        times = plain(losses.end.value / progress.guess, 2)
        return "not learning", f"the loss falls, but is still {times} times that of a guess"
    return "not learning", ""


def _too_few(run: Run, known: int) -> str:
    """That few steps have a loss, and how to get more where the others were left out."""
    said = f"{known} {'step is' if known == 1 else 'steps are'} too few to tell"
    if len(run.steps) > 1 and np.diff(run.steps).min() > 1:
        return f"{said}; `every=1` records all steps"
    return said


def _is_lifted(losses: Losses, progress: Progress) -> bool:
    """Whether regularisation may lift the loss above any guess.

    A penalty is the same for one batch as for the next. Where losses scatter by more than that of a
    guess, the answers themselves are worse.
    """
    if losses.scatter > progress.limit:
        return False
    above = progress.limit + LEARNED_SHARE * abs(progress.limit)
    return above < losses.end.value < losses.start.value / 2 and np.isnan(progress.accuracy)


def _by_accuracy(run: Run, progress: Progress) -> tuple[str, str]:
    """Where there is no loss at all, an accuracy that stays at chance still tells."""
    if progress.is_at_chance and len(run.epochs) >= FEWEST_EPOCHS:
        return "not learning", progress.accuracy_words
    return "unknown", why_unknown(run)


def _by_epochs(losses: Losses) -> tuple[str, str]:
    if len(losses.values) < FEWEST_EPOCHS:
        return "unknown", "no loss of each step was recorded, and the epochs are too few to tell"
    fall = (losses.start.value - losses.end.value) / max(abs(losses.start.value), 1e-12)
    if fall < LEARNED_SHARE:
        return "not learning", ""
    return "unknown", "the loss of each step was not recorded, and that of the epochs falls"
