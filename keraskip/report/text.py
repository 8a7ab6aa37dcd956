"""Findings for the terminal: the answer, a table of 80 columns, and what to change."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.cells import cell_len
from rich.text import Text

from keraskip.report.answer import answer_of
from keraskip.report.findings import CELLS, Findings
from keraskip.report.wording import with_margin
from keraskip.tables import add_row, new_table, printed

WIDTH = 80
# Between two columns.
SPACE = 2
# The columns of the table that fit into this width.
COLUMNS = ("run", "verdict", "learning", "orders lost [95 %]", "train", "held-out")
# Where they do not fit: other heads, and half of an interval for its two ends.
SHORT = {"learning": "learns", "orders lost [95 %]": "orders ± 95 %"}
SHORT_CELLS = {**CELLS, "orders lost [95 %]": lambda verdict: with_margin(verdict.attenuation)}


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
    """The verdicts as a table; for long names of runs, heads and intervals are shorter."""
    heads, rows = list(COLUMNS), _chosen(findings, findings.rows)
    if _width(heads, rows) > WIDTH:
        heads = [SHORT.get(name, name) for name in COLUMNS]
        rows = _chosen(findings, findings.rows_of(SHORT_CELLS))
    table = new_table()
    table.collapse_padding = True
    for name, head in zip(COLUMNS, heads, strict=True):
        side: Any = "left" if name in COLUMNS[:3] else "right"
        table.add_column(Text(head), justify=side, no_wrap=name != "run", overflow="fold")
    for row in rows:
        add_row(table, *row)
    return printed(table, WIDTH)


def _chosen(findings: Findings, rows: Sequence[tuple[str, ...]]) -> list[list[str]]:
    """The cells of `COLUMNS`."""
    places = [findings.columns.index(name) for name in COLUMNS]
    return [[row[place] for place in places] for row in rows]


def _width(heads: list[str], rows: list[list[str]]) -> int:
    """What a table needs to have each cell in one line."""
    columns = zip(heads, *rows, strict=True)
    return sum(max(map(cell_len, column)) for column in columns) + SPACE * (len(heads) - 1)


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
