"""The findings about several runs: verdicts, contrasts, sentences, and the cells of the table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from keraskip.analysis.causes import diagnose
from keraskip.analysis.contrasts import Degradation, Effect, degradations, effects
from keraskip.analysis.estimates import Estimate, mean
from keraskip.analysis.finding import Finding
from keraskip.analysis.groups import grouped
from keraskip.analysis.labelled import labelled
from keraskip.analysis.learning import Learning, learning_of
from keraskip.analysis.outlook import FEWEST_OF_A_LINE, PLAIN_REASONS
from keraskip.analysis.shapes import HEALTHY_ORDERS
from keraskip.analysis.special import SPECIAL
from keraskip.analysis.verdicts import Group, Verdict
from keraskip.analysis.words import STATES
from keraskip.report.diagnoses import about_diagnosis, learning_words
from keraskip.report.effects import about_gap, about_orders, about_states
from keraskip.report.wording import change, number, over_seeds, plain_change, with_interval
from keraskip.runs import Run

# Rounding freezes a stray element in any run.
NOTABLY_FROZEN = 0.01
# Elements of a kernel differ in size, so updates of 1e-6 of its norm still change nearly all. They
# are lost below half of the distance between numbers, 6e-8 (IEEE 754).
TOO_SMALL = 1e-6
# In orders of magnitude: by as much the attenuation at the end has to differ to be worth a word.
NOTABLE_CHANGE = 1.0


@dataclass(frozen=True, eq=False)
class Findings:
    """All that a report says about several runs.

    Attributes:
        runs: the runs, in the order given; their names are visible, see `keraskip.labels`.
    """

    runs: tuple[Run, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "runs", tuple(map(labelled, self.runs)))

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """The verdict on each run with its numbers."""
        verdict_by_run = {
            verdict.run: verdict for group in self.groups for verdict in group.verdicts
        }
        return [verdict_by_run[run.name] for run in self.runs]

    @cached_property
    def learnings(self) -> list[Learning]:
        """Whether the network of each run learns."""
        return [learning_of(run) for run in self.runs]

    @cached_property
    def diagnoses(self) -> list[list[Finding]]:
        """The findings about each run, the most upstream cause first; none for one that learns."""
        numbers = zip(self.runs, self.verdicts, self.learnings, strict=True)
        return [diagnose(run, verdict, learning) for run, verdict, learning in numbers]

    @cached_property
    def groups(self) -> list[Group]:
        """Groups of runs of one network each, which differ in nothing but their seeds."""
        return grouped(self.runs)

    @cached_property
    def effects(self) -> list[Effect]:
        """The effect of the skips: each network beside its plain twin."""
        return effects(self.groups)

    @cached_property
    def degradations(self) -> list[Degradation]:
        """Whether more depth hurts: each deeper network beside the shallowest of its family."""
        return degradations(self.groups)

    def learnings_of(self, group: Group) -> list[Learning]:
        """Whether the network learns, for each of its runs."""
        learning_by_run = dict(zip((run.name for run in self.runs), self.learnings, strict=True))
        return [learning_by_run[run.name] for run in group.runs]

    def states_of(self, group: Group) -> list[str]:
        """The states of these learnings."""
        return [learning.state for learning in self.learnings_of(group)]

    def diagnosis_of(self, group: Group) -> list[Finding]:
        """The findings about the first of its runs that has some; empty if none has."""
        diagnosis_by_run = dict(zip((run.name for run in self.runs), self.diagnoses, strict=True))
        return next(filter(None, (diagnosis_by_run[run.name] for run in group.runs)), [])

    def diagnosed(self, group: Group) -> str:
        """The name of the run that `diagnosis_of` is about, or of the network if it has one run."""
        diagnosis_by_run = dict(zip((run.name for run in self.runs), self.diagnoses, strict=True))
        names = (run.name for run in group.runs if diagnosis_by_run[run.name])
        return next(names, group.label) if len(group.runs) > 1 else group.label

    @property
    def about_groups(self) -> list[str]:
        """What is known about each network, in a few sentences."""
        first_with: dict[str, Group] = {}
        sentences = []
        for group in self.groups:
            learnings = self.learnings_of(group)
            learns = learning_words(learnings)
            same = first_with.setdefault(learns, group)
            if same is not group and set(self.states_of(group)) == {"unknown"}:
                learns = f"{STATES['unknown'].clause}, as with {same.label}"
            sentences.append(_about_group(group, learnings, learns))
        return sentences

    @property
    def about_diagnoses(self) -> list[str]:
        """One sentence for each run that does not learn: the cause, and what to change."""
        pairs = zip(self.runs, self.diagnoses, strict=True)
        return [about_diagnosis(run, findings) for run, findings in pairs if findings]

    @property
    def about_effects(self) -> list[str]:
        """One sentence for each effect."""
        return [_about_effect(effect, self.learnings_of) for effect in self.effects]

    @property
    def about_degradations(self) -> list[str]:
        """One sentence for each deeper network."""
        return list(map(_about_degradation, self.degradations))

    @property
    def sentences(self) -> list[str]:
        """All sentences: networks, what is wrong with them, effects of skips, more depth."""
        return [
            *self.about_groups,
            *self.about_diagnoses,
            *self.about_effects,
            *self.about_degradations,
        ]

    @property
    def columns(self) -> tuple[str, ...]:
        """The heads of the table."""
        run, verdict, *rest = CELLS
        return (run, verdict, "learning", *rest)

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The cells of the table, a row for each run; the seeds of a network follow each other."""
        return self.rows_of(CELLS)

    def rows_of(self, cells: dict[str, Callable[[Verdict], str]]) -> list[tuple[str, ...]]:
        """The rows of a table with these cells; the learning stands behind the second one."""
        first, second, *others = cells.values()
        return [
            (first(each), second(each), STATES[learning.state].cell, *(of(each) for of in others))
            for group in self.groups
            for each, learning in zip(group.verdicts, self.learnings_of(group), strict=True)
        ]


def _about_group(group: Group, learnings: Sequence[Learning], learns: str) -> str:
    """Sentences on a network: its signal, whether it learns, and what was not judged."""
    seeds = f" ({len(group.runs)} seeds)" if len(group.runs) > 1 else ""
    verb = "has" if group.verdict == "no gradient" else "is"
    name = f"{group.label}{seeds}"
    states = {learning.state for learning in learnings}
    if states == {"learning"} and group.verdict not in ("healthy", "inconclusive"):
        learns = f"yet {learns}"
    notes = dict.fromkeys(note for verdict in group.verdicts for note in verdict.notes)
    further = filter(None, (learns, _outcome(group, learnings[0].chance), *notes))
    sentence = f"{name} {verb} {group.verdict}: {_why(group, states)}."
    return " ".join([sentence, *(f"{each[0].upper()}{each[1:]}." for each in further)])


def _about_effect(effect: Effect, learnings_of: Callable[[Group], list[Learning]]) -> str:
    """How the attenuation and what is learned differ between a network and its reference."""
    names = f"{effect.other.label} against {effect.reference.label}"
    parts = [about_orders(effect.orders)]
    parts.append(about_states(learnings_of(effect.other), learnings_of(effect.reference)))
    parts.append(about_gap(effect.gap))
    return f"{names}: {'; '.join(part for part in parts if part)}."


def _about_degradation(degradation: Degradation) -> str:
    """Whether the deeper network trains worse, beside the verdict on its signal."""
    deep, shallow, gap = degradation.deep, degradation.shallow, degradation.gap
    seeds = f"{len(shallow.train_errors)} and {len(deep.train_errors)} seeds"
    side = "above" if gap.value > 0 else "below"
    size = f"its training error lies {100 * abs(gap.value):.1f} points {side} {shallow.label}'s"
    if np.isnan(gap.margin):
        size += f"; {seeds}, and two of each are needed for an interval"
    else:
        ends = f"{100 * gap.low:+.1f} to {100 * gap.high:+.1f}"
        size += f" (95 % interval {ends}, {seeds})"
    if len(shallow.epochs | deep.epochs) > 1:
        size += "; but the numbers of epochs differ"
    answer = f"does more depth hurt? {degradation.finding}"
    return f"{deep.label}: {answer}; {size}. The signal is {deep.verdict}."


def _why(group: Group, learning: set[str]) -> str:
    """The reason for the verdict on the signal; `learning` has the states of the seeds."""
    verdict, reason, attenuation = group.judgement
    first = group.verdicts[0]
    if not attenuation or not first.ends or verdict in SPECIAL:
        return reason
    signal = "backward signal" if first.signal == "backward" else "kernel gradient"
    of_what = "of the fitted line" if first.depths >= FEWEST_OF_A_LINE else "over steps"
    where = f"from {first.ends[0]} down to {first.ends[1]}"
    why = f"{where} the {signal} {change(attenuation, of_what)}"
    if reason not in PLAIN_REASONS:
        why = f"{reason}; {'at first, ' if first.since is not None else ''}{why}"
    # That updates change nothing is said once.
    frozen = "" if learning == {"frozen"} else _frozen(group)
    return why + _over_time(group, attenuation) + frozen + _skipped(group)


def _over_time(group: Group, attenuation: Estimate) -> str:
    """The first step alone, and the end, where they differ."""
    first = group.verdicts[0]
    of_seed = f" of {first.run}" if len(group.runs) > 1 else ""
    parts = ""
    if group.verdict == "healthy" and first.at_start and abs(first.at_start.value) > HEALTHY_ORDERS:
        parts += f"; in the first step{of_seed} alone it {plain_change(first.at_start)}"
    if first.at_end and abs(first.at_end.value - attenuation.value) > NOTABLE_CHANGE:
        parts += f"; at the end{of_seed} it {plain_change(first.at_end)}"
    return parts


def _frozen(group: Group) -> str:
    """The share of the first kernel that does not change, and why."""
    frozen = mean([verdict.first_frozen for verdict in group.verdicts]).value
    if not frozen >= NOTABLY_FROZEN:
        return ""
    ratio = float(np.median([verdict.first_update_ratio for verdict in group.verdicts]))
    if ratio < TOO_SMALL:
        return (
            f"; early updates are too small, and {frozen:.0%} of the first kernel does not change"
        )
    return (
        f"; {frozen:.0%} of the first kernel gets gradients of exactly 0, as with inputs that are "
        "always 0 or units that never answer"
    )


def _skipped(group: Group) -> str:
    skipped = sum(verdict.nonfinite_steps for verdict in group.verdicts)
    steps = f"{skipped} skipped step{'s' * (skipped > 1)}"
    return f"; gradients were NaN or infinite in {steps}" if skipped else ""


def _outcome(group: Group, by_labels: float) -> str:
    """The accuracy, beside guessing: always the same class, if its share is known."""
    verdicts = group.verdicts
    accuracy = over_seeds([verdict.accuracy for verdict in verdicts])
    if not accuracy:
        return ""
    chance = verdicts[0].chance if np.isnan(by_labels) else by_labels
    if all(verdict.at_chance for verdict in verdicts if not np.isnan(verdict.accuracy)):
        return f"the accuracy stays at chance ({accuracy}, chance {chance:.2f})"
    held_out = over_seeds([verdict.held_out for verdict in verdicts])
    beside = "" if np.isnan(chance) else f", where guessing gives {chance:.2f}"
    beside += f"; {held_out} on held-out samples" if held_out else ""
    return f"it trains to an accuracy of {accuracy}{beside}"


# The table of verdicts: the head of each column, and its cell for a run.
CELLS: dict[str, Callable[[Verdict], str]] = {
    "run": lambda verdict: verdict.run,
    "verdict": lambda verdict: verdict.verdict,
    "orders lost [95 %]": lambda verdict: with_interval(verdict.attenuation),
    "1st grad.": lambda verdict: number(verdict.first_rms, ".1e"),
    "Δw:w": lambda verdict: number(verdict.update_ratio, ".1e"),
    "train": lambda verdict: number(verdict.accuracy, ".2f"),
    "held-out": lambda verdict: number(verdict.held_out, ".2f"),
}
