"""The findings about several runs: verdicts, contrasts, sentences, and the cells of the table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from keraskip.analysis.causes import diagnose
from keraskip.analysis.contrasts import Degradation, Effect, degradations, effects
from keraskip.analysis.estimates import Estimate, mean
from keraskip.analysis.finding import Finding
from keraskip.analysis.groups import Group, grouped
from keraskip.analysis.learning import Learning, learning_of
from keraskip.analysis.verdicts import HEALTHY_ORDERS, Verdict
from keraskip.report.diagnoses import SHORT, about_diagnosis, learning_words
from keraskip.runs import Run

# Rounding freezes a stray element in any run.
NOTABLY_FROZEN = 0.01


@dataclass(frozen=True, eq=False)
class Findings:
    """All that a report says about several runs.

    Attributes:
        runs: the runs, in the order given.
    """

    runs: tuple[Run, ...]

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

    @property
    def about_groups(self) -> list[str]:
        """One sentence for each network."""
        learning_by_run = dict(zip((run.name for run in self.runs), self.learnings, strict=True))
        return [
            _about_group(group, [learning_by_run[run.name] for run in group.runs])
            for group in self.groups
        ]

    @property
    def about_diagnoses(self) -> list[str]:
        """One sentence for each run that does not learn: the cause, and what to change."""
        pairs = zip(self.runs, self.diagnoses, strict=True)
        return [about_diagnosis(run, findings) for run, findings in pairs if findings]

    @property
    def about_effects(self) -> list[str]:
        """One sentence for each effect."""
        return list(map(_about_effect, self.effects))

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
        """The cells of the table, one row for each run."""
        states = [SHORT.get(learning.state, learning.state) for learning in self.learnings]
        cells = [[cell(verdict) for cell in CELLS.values()] for verdict in self.verdicts]
        return [(*row[:2], state, *row[2:]) for row, state in zip(cells, states, strict=True)]


def _about_group(group: Group, learnings: Sequence[Learning]) -> str:
    """The verdict on the signal of one network, whether it learns, and its accuracy."""
    seeds = f" ({len(group.runs)} seeds)" if len(group.runs) > 1 else ""
    learns = learning_words(learnings)
    return f"{group.label}{seeds} is {group.verdict}: {_why(group)}; {learns}{_outcome(group)}."


def _about_effect(effect: Effect) -> str:
    """How the attenuation differs between a network and its reference."""
    names = f"{effect.other.label} against {effect.reference.label}"
    orders = effect.orders
    if orders.low < 0 < orders.high:
        change = f"no difference is shown ({_interval(orders)} orders of magnitude)"
    else:
        more = "more" if orders.value > 0 else "less"
        change = f"{_factor(orders)} {more} of the signal arrives at the first layer"
    return f"{names}: {change}."


def _about_degradation(degradation: Degradation) -> str:
    """Whether the deeper network trains worse, beside the verdict on its signal."""
    deep, shallow, gap = degradation.deep, degradation.shallow, degradation.gap
    seeds = f"{len(shallow.train_errors)} and {len(deep.train_errors)} seeds"
    side = "above" if gap.value > 0 else "below"
    size = (
        f"its training error lies {100 * abs(gap.value):.1f} points {side} that of {shallow.label}"
    )
    if np.isnan(gap.margin):
        size += f"; {seeds}, and two of each are needed for an interval"
    else:
        ends = f"{100 * gap.low:+.1f} to {100 * gap.high:+.1f}"
        size += f" (95 % interval {ends}, {seeds})"
    if len(shallow.epochs | deep.epochs) > 1:
        size += "; but the numbers of epochs differ"
    answer = f"does more depth hurt? {degradation.finding}"
    return f"{deep.label}: {answer}; {size}. The signal is {deep.verdict}."


def _why(group: Group) -> str:
    verdict, reason, attenuation = group.judgement
    if not attenuation or verdict in ("diverged", "dead"):
        return reason
    first = group.verdicts[0]
    signal = "backward signal" if first.signal == "backward" else "kernel gradient"
    why = f"from the last to the first hidden layer the {signal} {_change(attenuation)}"
    at_start = first.at_start
    if verdict == "healthy" and at_start and abs(at_start.value) > HEALTHY_ORDERS:
        of_seed = f" of {first.run}" if len(group.runs) > 1 else ""
        why += f"; in the first step{of_seed} alone it {_change(at_start)}"
    frozen = mean([verdict.first_frozen for verdict in group.verdicts]).value
    if frozen >= NOTABLY_FROZEN:
        why += f"; early updates leave {frozen:.0%} of the first kernel as it was"
    skipped = sum(verdict.nonfinite_steps for verdict in group.verdicts)
    if skipped:
        why += f"; gradients were NaN or infinite in {skipped} skipped steps"
    return why


def _change(attenuation: Estimate) -> str:
    return f"{'shrinks' if attenuation.value >= 0 else 'grows'} {_factor(attenuation)}"


def _outcome(group: Group) -> str:
    verdicts = group.verdicts
    accuracy = _over_seeds([verdict.accuracy for verdict in verdicts])
    if not accuracy:
        return ""
    if all(verdict.at_chance for verdict in verdicts if not np.isnan(verdict.accuracy)):
        return f"; the accuracy stays at chance ({accuracy}, chance {verdicts[0].chance:.2f})"
    held_out = _over_seeds([verdict.held_out for verdict in verdicts])
    beside = f", {held_out} on held-out samples" if held_out else ""
    return f"; it trains to an accuracy of {accuracy}{beside}"


def _over_seeds(values: Sequence[float]) -> str:
    """Mean and standard deviation of the numbers that are known."""
    known = [value for value in values if not np.isnan(value)]
    if not known:
        return ""
    deviation = f" ± {np.std(known, ddof=1):.2f}" if len(known) > 1 else ""
    return f"{mean(known).value:.2f}{deviation}"


def _factor(orders: Estimate) -> str:
    """Orders of magnitude as a factor with its interval."""
    if not (orders.low > 0 or orders.high < 0):
        return f"{_times(orders.value)}, by its interval perhaps not at all"
    low, high = sorted((orders.low, orders.high), key=abs)
    return f"{_times(orders.value)} (95 % interval {_times(low)} to {_times(high)})"


def _times(orders: float) -> str:
    """A change by these orders of magnitude, in two digits; written out up to a million."""
    change = float(f"{10 ** abs(orders):.2g}")
    if change < 10:
        return f"{change:.1f}-fold"
    return f"{change:,.0f}-fold" if change < 1e6 else f"{change:.1e}-fold"


def _interval(estimate: Estimate | None) -> str:
    """The number with its interval."""
    if not estimate:
        return "–"
    return f"{estimate.value:z.1f} [{estimate.low:z.1f}, {estimate.high:z.1f}]"


def _number(value: float, style: str) -> str:
    return "–" if np.isnan(value) else format(value, style)


# The table of verdicts: the head of each column, and its cell for a run.
CELLS: dict[str, Callable[[Verdict], str]] = {
    "run": lambda verdict: verdict.run,
    "verdict": lambda verdict: verdict.verdict,
    "orders lost [95 %]": lambda verdict: _interval(verdict.attenuation),
    "1st grad.": lambda verdict: _number(verdict.first_rms, ".1e"),
    "Δw:w": lambda verdict: _number(verdict.update_ratio, ".1e"),
    "train": lambda verdict: _number(verdict.accuracy, ".2f"),
    "held-out": lambda verdict: _number(verdict.held_out, ".2f"),
}
