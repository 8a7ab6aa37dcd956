"""A comparison as data: JSON of a stable schema, CSV and Markdown."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from keraskip.analysis import RULES, Estimate

if TYPE_CHECKING:
    from keraskip.report.comparison import Comparison

# Raised when a name goes or changes its meaning; new names leave it as it is.
SCHEMA_VERSION = 1
ESTIMATES, ESTIMATE = ("attenuation", "at_start"), ("value", "low", "high")
PROVENANCE = ("started", "status", "seed", "command", "versions", "device", "git", "trial")


def as_json(comparison: "Comparison") -> str:
    """All findings with their numbers; what is unknown is null."""
    return json.dumps(
        {
            "schema_version": SCHEMA_VERSION,
            "findings": comparison.findings,
            "rules": RULES,
            "runs": [
                {**row, "provenance": {key: run.info.get(key) for key in PROVENANCE}}
                for row, run in zip(_verdict_rows(comparison), comparison.runs, strict=True)
            ],
            "groups": [
                {
                    "name": group.name,
                    "runs": [run.name for run in group.runs],
                    "verdict": group.verdict,
                    "attenuation": _estimate(group.attenuation),
                    "train_errors": group.train_errors,
                }
                for group in comparison.groups
            ],
            "effects": [
                {
                    "reference": effect.reference.name,
                    "other": effect.other.name,
                    "orders": _estimate(effect.orders),
                }
                for effect in comparison.effects
            ],
            "degradations": [
                {
                    "shallow": found.shallow.name,
                    "deep": found.deep.name,
                    "gap": _estimate(found.gap),
                    "finding": found.finding,
                    "cell": found.cell,
                }
                for found in comparison.degradations
            ],
        },
        indent=1,
        allow_nan=False,
        ensure_ascii=False,
    )


def as_csv(comparison: "Comparison") -> str:
    """One line for each run, with the numbers of its verdict."""
    unknown = dict.fromkeys(ESTIMATE)
    rows = [
        {**row, **{name: row[name] or unknown for name in ESTIMATES}}
        for row in _verdict_rows(comparison)
    ]
    return pd.json_normalize(rows, sep="_").to_csv(index=False)


def as_markdown(comparison: "Comparison") -> str:
    """The findings and the table."""
    findings = "\n".join(f"- {_plain(finding)}" for finding in comparison.findings)
    return f"{findings}\n\n{_markdown_table(comparison.columns, comparison.rows)}\n"


def _markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [[_plain(cell) for cell in line] for line in (columns, *rows)]
    lines.insert(1, ["---"] * len(columns))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(text: str) -> str:
    """Text that Markdown leaves as it is."""
    for special in "\\|<>[]*_`":
        text = text.replace(special, "\\" + special)
    return text


def _verdict_rows(comparison: "Comparison") -> list[dict[str, Any]]:
    return [
        {name: _number(value) for name, value in asdict(verdict).items()}
        | {name: _estimate(getattr(verdict, name)) for name in ESTIMATES}
        for verdict in comparison.verdicts
    ]


def _estimate(estimate: Estimate | None) -> dict[str, float | None] | None:
    if estimate is None:
        return None
    return {name: _number(getattr(estimate, name)) for name in ESTIMATE}


def _number(value: Any) -> Any:
    """JSON has no NaN and no infinity."""
    is_odd = isinstance(value, float) and not np.isfinite(value)
    return None if is_odd else value
