"""Findings as data: JSON of a stable schema, and CSV."""

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from keraskip.analysis.estimates import Estimate
from keraskip.analysis.finding import Finding
from keraskip.analysis.learning import LEARNING_RULES, Learning
from keraskip.analysis.verdicts import RULES
from keraskip.labels import in_csv
from keraskip.report.findings import Findings

# Raised when a name goes or changes its meaning; new names leave it as it is.
SCHEMA_VERSION = 2
# The numbers of a verdict that are estimates.
ESTIMATES = ("attenuation", "at_start", "at_end")
ESTIMATE_KEYS = ("value", "low", "high")
PROVENANCE = ("started", "status", "seed", "command", "versions", "device", "git", "trial")


def as_json(findings: Findings) -> str:
    """All findings with their numbers; unknown numbers are null.

    Schema 2 has, at the top, `schema_version`, `findings` (the sentences), `rules` (of the
    verdicts), `learning_rules`, `runs`, `groups`, `effects` and `degradations`. A run has

    - the fields of `Verdict`: the signal;
    - `learning`, the fields of `Learning`: `state`, `reason`, `start`, `end`, `guess`,
      `accuracy`, `chance`, `since`, `source`, `idle`, `held_out` (loss and
      accuracy, or null);
    - `diagnosis`, a list of the fields of `Finding`, the most upstream cause first: `kind`,
      `sentence`, `remedy`, `source`, `layers`, `steps` (first and last, or null), `evidence`;
      empty for a network that learns;
    - `provenance`.

    An estimate is an object of `value`, `low` and `high`, the ends of its 95 % interval. Schema 1
    had neither `learning` nor `diagnosis`.
    """
    return json.dumps(
        {
            "schema_version": SCHEMA_VERSION,
            "findings": findings.sentences,
            "rules": RULES,
            "learning_rules": LEARNING_RULES,
            "runs": _runs(findings),
            "groups": _groups(findings),
            "effects": _effects(findings),
            "degradations": _degradations(findings),
        },
        indent=1,
        allow_nan=False,
        ensure_ascii=False,
    )


def as_csv(findings: Findings) -> str:
    """One line for each run, with the numbers of its verdict."""
    unknown = dict.fromkeys(ESTIMATE_KEYS)
    pairs = zip(_verdicts(findings), findings.learnings, findings.diagnoses, strict=True)
    rows = [
        {
            **{**row, **{name: row[name] or unknown for name in ESTIMATES}},
            "learning": _learning(learning, unknown),
            "findings": "; ".join(finding.kind for finding in diagnosis),
            "remedy": diagnosis[0].remedy if diagnosis else "",
        }
        for row, learning, diagnosis in pairs
    ]
    return pd.json_normalize(rows, sep="_").map(in_csv).to_csv(index=False)


def _runs(findings: Findings) -> list[dict[str, Any]]:
    answers = zip(findings.learnings, findings.diagnoses, strict=True)
    return [
        {
            **row,
            "learning": _learning(learning),
            "diagnosis": [_finding(finding) for finding in diagnosis],
            "provenance": {key: run.info.get(key) for key in PROVENANCE},
        }
        for row, run, (learning, diagnosis) in zip(
            _verdicts(findings), findings.runs, answers, strict=True
        )
    ]


def _learning(learning: Learning, unknown: dict | None = None) -> dict[str, Any]:
    """The fields of a learning; `unknown` stands for an estimate that is not there."""
    ends = {name: _estimate(getattr(learning, name)) or unknown for name in ("start", "end")}
    held_out = learning.held_out and learning.held_out._asdict()
    held_out = held_out and {name: _number(value) for name, value in held_out.items()}
    known = {name: _number(value) for name, value in asdict(learning).items()}
    return {**known, **ends, "held_out": held_out}


def _finding(finding: Finding) -> dict[str, Any]:
    evidence = {name: _number(float(value)) for name, value in finding.evidence.items()}
    return {**asdict(finding), "evidence": evidence}


def _verdicts(findings: Findings) -> list[dict[str, Any]]:
    return [
        {name: _number(value) for name, value in asdict(verdict).items()}
        | {name: _estimate(getattr(verdict, name)) for name in ESTIMATES}
        for verdict in findings.verdicts
    ]


def _groups(findings: Findings) -> list[dict[str, Any]]:
    return [
        {
            "name": group.name,
            "runs": [run.name for run in group.runs],
            "verdict": group.verdict,
            "attenuation": _estimate(group.attenuation),
            "train_errors": [_number(error) for error in group.train_errors],
        }
        for group in findings.groups
    ]


def _effects(findings: Findings) -> list[dict[str, Any]]:
    return [
        {
            "reference": effect.reference.name,
            "other": effect.other.name,
            "orders": _estimate(effect.orders),
            "gap": _estimate(effect.gap),
        }
        for effect in findings.effects
    ]


def _degradations(findings: Findings) -> list[dict[str, Any]]:
    return [
        {
            "shallow": degradation.shallow.name,
            "deep": degradation.deep.name,
            "gap": _estimate(degradation.gap),
            "finding": degradation.finding,
            "cell": degradation.cell,
        }
        for degradation in findings.degradations
    ]


def _estimate(estimate: Estimate | None) -> dict[str, float | None] | None:
    if estimate is None:
        return None
    return {name: _number(getattr(estimate, name)) for name in ESTIMATE_KEYS}


def _number(value: Any) -> Any:
    """JSON has no NaN and no infinity."""
    is_nonfinite = isinstance(value, float) and not np.isfinite(value)
    return None if is_nonfinite else value
