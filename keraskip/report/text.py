"""Findings for the terminal: the answer, a table of 80 columns, and what to change."""

from collections.abc import Iterator
from typing import Any

from rich.text import Text

from keraskip.report.answer import answer_of
from keraskip.report.findings import Findings
from keraskip.tables import add_row, new_table, printed

WIDTH = 80
# The columns of all findings that fit.
COLUMNS = ("run", "verdict", "learning", "orders lost [95 %]", "train", "held-out")


def as_text(findings: Findings) -> str:
    """The answer, the table, and for each network with a finding at most three lines."""
    answer = answer_of(findings)
    lines = [
        answer.headline,
        answer.detail,
        "",
        as_table(findings),
        *_causes(findings, answer.detail),
    ]
    return "\n".join(lines)


def as_table(findings: Findings) -> str:
    """The verdicts as a table."""
    table = new_table()
    table.collapse_padding = True
    chosen = [findings.columns.index(name) for name in COLUMNS]
    for name in COLUMNS:
        side: Any = "left" if name in COLUMNS[:3] else "right"
        table.add_column(Text(name), justify=side, no_wrap=name != "run", overflow="fold")
    for row in findings.rows:
        add_row(table, *(row[index] for index in chosen))
    return printed(table, WIDTH)


def _causes(findings: Findings, said: str) -> Iterator[str]:
    """The causes that were found; what the answer said already is not said again."""
    for group in findings.groups:
        diagnosis = findings.diagnosis_of(group)
        if diagnosis:
            first, *others = diagnosis
            sentence = "" if said.endswith(first.sentence) else f" {first.sentence}"
            yield f"\n{findings.diagnosed(group)}:{sentence}"
            yield f"  Change: {first.remedy}"
            if others:
                yield f"  Further findings: {', '.join(other.kind for other in others)}."
