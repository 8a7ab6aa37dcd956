"""Findings as Markdown that can be pasted into an issue."""

import re
from collections.abc import Iterator, Sequence

from keraskip.labels import in_markdown
from keraskip.report.answer import answer_of
from keraskip.report.findings import Findings

CODE = re.compile("(`[^`\n]+`)")


def as_markdown(findings: Findings) -> str:
    """The answer, the table, what to change, and, in a part that opens, every sentence."""
    answer = answer_of(findings)
    return (
        "\n\n".join(
            [
                f"**{in_markdown(answer.headline)}** {_with_code(answer.detail)}",
                _table(findings.columns, findings.rows),
                *_causes(findings, answer.detail),
                "<details><summary>In words</summary>",
                "\n".join(f"- {_with_code(sentence)}" for sentence in findings.sentences),
                "</details>",
                *_versions(findings),
            ]
        ).rstrip()
        + "\n"
    )


def _causes(findings: Findings, said: str) -> Iterator[str]:
    """The causes that were found; what the answer said already is not said again."""
    for group in findings.groups:
        for finding in findings.diagnosis_of(group)[:1]:
            name, change = in_markdown(findings.diagnosed(group)), _with_code(finding.remedy)
            cause = f"**{name}**: {_with_code(finding.sentence)}\n"
            is_said = said == finding.sentence and len(group.runs) == 1
            yield f"{'' if is_said else cause}**Change:** {change}"


def _versions(findings: Findings) -> Iterator[str]:
    """The versions of the packages, each set of them once."""
    versions = [run.info.get("versions", {}) for run in findings.runs]
    for names in dict.fromkeys(
        ", ".join(f"{name} {each[name]}" for name in each) for each in versions
    ):
        if names:
            yield in_markdown(names)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [[in_markdown(cell) for cell in line] for line in (columns, *rows)]
    lines.insert(1, ["---"] * len(columns))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _with_code(sentence: str) -> str:
    """The sentence with the code between backticks as it is, and the rest as text."""
    parts = CODE.split(sentence)
    return "".join(part if index % 2 else in_markdown(part) for index, part in enumerate(parts))
