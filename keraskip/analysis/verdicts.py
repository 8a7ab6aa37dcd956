"""The verdict on the signal of a run, and of a network over the runs of its seeds; its rules."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from keraskip.analysis.estimates import Estimate, mean
from keraskip.analysis.gates import line_of_equals
from keraskip.analysis.notes import notes_of
from keraskip.analysis.outcome import kernels_of, outcome_of
from keraskip.analysis.outlook import Course, course_of, outlook, outlook_of
from keraskip.analysis.rounding import CLEARLY_ALIVE, EPSILON
from keraskip.analysis.shapes import HEALTHY_ORDERS, WIDEST_HOLE
from keraskip.analysis.silence import Silence
from keraskip.analysis.special import SPECIAL, Answer, divergence, of_rounding, of_silence
from keraskip.analysis.towers import towers
from keraskip.analysis.windows import (
    FEWEST_STEPS,
    MOST,
    WINDOW,
    early_steps,
    late_steps,
    sound_steps,
)
from keraskip.runs import Run

# Each verdict, its rule, and where the rule comes from, in the order in which they are tried.
RULES = {
    "diverged": "gradients or weights became NaN or infinite and stayed so, or the weights grew by "
    f"more than {HEALTHY_ORDERS:g} orders of magnitude (IEEE 754; the limit is a convention)",
    "no gradient": f"in {MOST:.0%} of the last steps ({WINDOW:.0%} of the run, and at least "
    f"{FEWEST_STEPS}) all gradients are exactly 0 or missing, or so small that doubling every "
    f"weight would change the loss by less than {EPSILON['float32']:.1e} of it, the rounding error "
    "of float32; or they are exactly 0 from a layer on downward, and the kernel behind that layer "
    "gets one, so the layer does not answer 0; or float16 has no number as small (IEEE 754; the "
    f"chain rule; {MOST:.0%} is a convention, as one odd batch may be an exception)",
    "dead": f"in {MOST:.0%} of the last steps a hidden layer gets gradients of exactly 0, while "
    f"the layer behind it has a signal above {CLEARLY_ALIVE['float32']:g}, too much for an "
    f"underflow of float32 (in float16 above {CLEARLY_ALIVE['float16']:g}; the slope of a ReLU "
    "below zero: Lu et al. 2019, arXiv 1903.06733)",
    "vanishing": "the 95 % interval of the attenuation from the last to the first hidden layer "
    f"lies above {HEALTHY_ORDERS:g} orders of magnitude, at the end of the run if the signal "
    "changed, else at the beginning; or the signal is as much smaller in a hole of at most "
    f"{WIDEST_HOLE} layers, at the bottom of a V, or below the output (Glorot & Bengio 2010; the "
    "limits are conventions)",
    "exploding": f"the interval lies below -{HEALTHY_ORDERS:g} orders, in a network of two hidden "
    "layers or more (Pascanu et al. 2013; the limit is a convention)",
    "healthy": f"the interval lies between -{HEALTHY_ORDERS:g} and {HEALTHY_ORDERS:g} orders",
    "inconclusive": "anything else, such as an interval that contains a limit, a signal that is "
    f"more than {HEALTHY_ORDERS:g} orders larger in a few layers than around them, or a single "
    "step",
}


@dataclass(frozen=True)
class Verdict:
    """The verdict on one run and the numbers behind it.

    Attributes:
        run: name of the run.
        verdict: the first one of `RULES` that holds.
        reason: the reason for the verdict, in a few words.
        layers: the layers that the reason is about; may be empty.
        since: number of the step since which the reason holds, where it did not always.
        notes: sentences about what is beside the verdict, such as heads that are not trained.
        attenuation: by how many orders of magnitude the signal shrinks from the last to the first
            hidden layer at the beginning, negative where it grows, with the interval of the fitted
            line; with one hidden layer, from the output to that layer. None where there is nothing
            to compare, and in a run that is dead, diverged or without gradient.
        ends: the two layers between which the attenuation is, the upper one first.
        depths: the number of layers in a row that were compared; with four or more, a line is
            fitted to them.
        at_start: the attenuation in the first sound step alone, where batch normalisation makes
            plain networks explode (Yang et al. 2019).
        at_end: the attenuation at the end.
        signal: the signal that was read, `backward` or, in networks of few biases, `kernel`.
        first_rms: RMS gradient of the first kernel in the first sound step.
        first_frozen: share of the first kernel's elements that the early updates left as they were.
        first_update_ratio: median of ||update|| / ||weight|| of the first kernel in the early
            steps.
        update_ratio: median of it over the hidden kernels.
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
    layers: tuple[str, ...]
    since: int | None
    notes: tuple[str, ...]
    attenuation: Estimate | None
    ends: tuple[str, str] | None
    depths: int
    at_start: Estimate | None
    at_end: Estimate | None
    signal: str
    first_rms: float
    first_frozen: float
    first_update_ratio: float
    update_ratio: float
    nonfinite_steps: int
    accuracy: float
    held_out: float
    chance: float
    at_chance: bool | None
    steps: int


def judge(run: Run) -> Verdict:
    """The verdict on one run by `RULES`, with its numbers."""
    silence = Silence(run)
    line = line_of_equals(silence)
    course = course_of(line, towers(line, silence))
    answer = answer_of(run, silence, course)
    # A line through zeros says nothing.
    is_line = answer.verdict not in SPECIAL
    return Verdict(
        run=run.name,
        **answer._asdict(),
        notes=tuple(notes_of(run, silence)) if len(run.steps) else (),
        attenuation=course.early.attenuation if is_line else None,
        ends=course.line.ends if is_line else None,
        depths=len(course.line.depth),
        at_start=outlook_of(line, sound_steps(run)[:1]).attenuation,
        at_end=course.late.attenuation if is_line else None,
        signal=line.signal,
        **kernels_of(run)._asdict(),
        nonfinite_steps=int((np.nansum(run.grad_nonfinite, axis=1) > 0).sum()),
        **outcome_of(run)._asdict(),
        steps=len(run.steps),
    )


def answer_of(run: Run, silence: Silence, course: Course) -> Answer:
    """The first of `RULES` that holds."""
    if not len(run.steps):
        return Answer("inconclusive", "no step was recorded")
    diverged = divergence(run)
    if diverged:
        return diverged
    if not len(sound_steps(run)):
        return Answer("inconclusive", "no step has finite gradients only")
    silent = of_silence(run, silence) or of_rounding(run)
    if silent:
        return silent
    layers = course.early.layers if course.verdict == course.early.verdict else course.late.layers
    return Answer(course.verdict, course.reason, layers, course.since)


class Judgement(NamedTuple):
    """The verdict on one network, over the runs of its seeds; `Verdict` explains the fields."""

    verdict: str
    reason: str
    attenuation: Estimate | None


@dataclass(frozen=True, eq=False)
class Group:
    """The runs of one network that is trained in one way, with one or several seeds.

    Attributes:
        name: the name of the runs, without their seeds.
        runs: at least one.
        settings: the settings of the runs' trial, with the arguments of the builder and without
            the seed; empty for runs that no study made.
    """

    name: str
    runs: tuple[Run, ...]
    settings: dict[str, Any]

    @property
    def label(self) -> str:
        """The group's name in the report: a single run keeps its whole name."""
        return self.name if len(self.runs) > 1 else self.runs[0].name

    @property
    def depth(self) -> float | None:
        """The depth that the settings give, if it is a number."""
        depth = self.settings.get("depth")
        return depth if isinstance(depth, int | float) and depth > 0 else None

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """The verdict on each run."""
        return [judge(run) for run in self.runs]

    @cached_property
    def judgement(self) -> Judgement:
        """Verdict, reason and attenuation over the seeds."""
        return judge_together(self.runs, self.verdicts)

    @property
    def verdict(self) -> str:
        """The verdict over the seeds."""
        return self.judgement.verdict

    @property
    def attenuation(self) -> Estimate | None:
        """By how many orders of magnitude the signal shrinks on its way down."""
        return self.judgement.attenuation

    @property
    def train_errors(self) -> list[float]:
        """Share of wrong answers in the last epoch, for each run that has an accuracy."""
        accuracies = [verdict.accuracy for verdict in self.verdicts]
        return [1 - accuracy for accuracy in accuracies if not np.isnan(accuracy)]

    @property
    def epochs(self) -> set[int]:
        """The numbers of epochs of the runs."""
        return {len(run.epochs) for run in self.runs}


def judge_together(runs: Sequence[Run], verdicts: Sequence[Verdict]) -> Judgement:
    """The verdict on one network.

    Args:
        runs: a run for each seed.
        verdicts: the verdict on each run.
    """
    first = verdicts[0]
    if len(runs) == 1:
        return Judgement(first.verdict, first.reason, first.attenuation)
    for special in SPECIAL:
        count = sum(verdict.verdict == special for verdict in verdicts)
        if count == len(runs):
            return Judgement(special, first.reason, None)
        if count:
            return Judgement("inconclusive", f"{count} of {len(runs)} seeds {special}", None)
    if not all(len(early_steps(run)) for run in runs):
        return Judgement("inconclusive", "a run without sound steps", None)
    # The same weights in each run, also where a gradient is missing in one of them.
    line = line_of_equals(Silence(runs[0]))
    lines = [replace(line, run=run) for run in runs]
    early = outlook(lines, [early_steps(run) for run in runs])
    if all(verdict.since is not None for verdict in verdicts):
        late = outlook(lines, [late_steps(run) for run in runs])
        reason = f"{early.verdict} at first, {late.verdict} at the end of all seeds: {late.reason}"
        return Judgement(late.verdict, reason, early.attenuation)
    agreed = {verdict.verdict for verdict in verdicts}
    known = [verdict.attenuation.value for verdict in verdicts if verdict.attenuation]
    if early.verdict == "healthy" and agreed in ({"vanishing"}, {"exploding"}) and known:
        # In one of several towers, which the line of the whole network hides.
        return Judgement(first.verdict, first.reason, mean(known))
    return Judgement(early.verdict, early.reason, early.attenuation)
