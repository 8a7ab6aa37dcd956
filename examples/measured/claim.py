"""What a claim is, and what a measurement of it gives."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Agrees = Literal["yes", "in part", "no", "inconclusive"]
Numbers = dict[str, Any]
Chart = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What was measured, and what follows from it.

    Attributes:
        here: the number with its interval, in a few words, for the table.
        agrees: what the rule of the claim says of the numbers.
        n: how many single measurements the number rests on, in words, such as `"5 networks"`.
        seeds: the seeds of the random numbers.
        numbers: what was measured, as plain JSON data.
        chart: a specification of Vega-Lite, or None.
    """

    here: str
    agrees: Agrees
    n: str
    seeds: list[int]
    numbers: Numbers
    chart: Chart | None


def of_trainings(
    here: str, agrees: Agrees, numbers: Numbers, kinds: int, seeds: int, chart: Chart
) -> Outcome:
    """The outcome where networks of several kinds were trained, each with the same seeds."""
    n = f"{kinds * seeds} trainings of {numbers['epochs']} epochs"
    return Outcome(here, agrees, n, list(range(seeds)), numbers, chart)


@dataclass(frozen=True)
class Claim:
    """A claim of a paper and its measurement. All texts are Markdown, each of a few sentences.

    Attributes:
        letter: its name on the page, such as `"a"`.
        title: the claim in one line.
        who: authors and year, for the table.
        source: the paper, with its number at arXiv.
        says: what the paper says, and in which section or figure.
        there: the number there, in a few words, for the table.
        expected: what was expected before the run, and the rule that decides whether the claim
            agrees, with its limits.
        how: how it is measured here, and what kind of interval that is.
        beyond: what the measurement does not show.
        measure: the measurement. With True it takes a few seconds: fewer seeds, less depth.
        read: what follows from numbers that were measured. It alone applies the rule.
        changed: what was changed after a first result, and why; empty if nothing was.
    """

    letter: str
    title: str
    who: str
    source: str
    says: str
    there: str
    expected: str
    how: str
    beyond: str
    measure: Callable[[bool], Outcome]
    read: Callable[[Numbers], Outcome]
    changed: str = ""
