"""A verdict with its reason, before the numbers of a run are added to it."""

from typing import NamedTuple


class Answer(NamedTuple):
    """A verdict with its reason; `keraskip.analysis.verdicts.Verdict` explains the fields."""

    verdict: str
    reason: str
    layers: tuple[str, ...] = ()
    since: int | None = None
