"""A finding: a cause of failing training, with its evidence and what to change."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Finding:
    """A cause that was found in a run.

    Attributes:
        kind: the name of the cause, a key of `CAUSES`.
        sentence: what is wrong, with its numbers.
        remedy: what to change: a line of Keras code or an instruction, with its number.
        source: where the rule comes from.
        layers: the layers that are to blame; empty if none in particular is.
        steps: the first and the last step that show it; None if it holds before the first step.
        evidence: the measured numbers behind the sentence, by name.
    """

    kind: str
    sentence: str
    remedy: str
    source: str
    layers: tuple[str, ...] = ()
    steps: tuple[int, int] | None = None
    evidence: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.sentence} Remedy: {self.remedy}"
