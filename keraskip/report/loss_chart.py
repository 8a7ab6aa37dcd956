"""The loss of each step, beside a constant guess, with the beginnings of what was found."""

from collections.abc import Iterator, Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from keraskip.analysis.losses import losses_of
from keraskip.analysis.moments import Moment
from keraskip.report.chart_kinds import SHOWN, inline
from keraskip.report.findings import Findings
from keraskip.report.looks import group_encodings, with_groups
from keraskip.runs import Run

# A line is drawn through as many means at the most.
MOST_POINTS = 150
# Losses that differ by more are drawn on a logarithmic axis.
WIDE = 50
# Verdicts on a signal that does not arrive as it should.
ILL = ("vanishing", "exploding", "dead", "no gradient")


def loss_chart(findings: Findings, chosen: Sequence[Moment]) -> Any:
    """The losses of the runs over their steps; None if no run has a loss.

    Args:
        findings: of the runs.
        chosen: the moments of the page; the one that is shown is shaded.
    """
    rows = pd.concat([_losses(run) for run in findings.runs])
    if rows.empty:
        return None
    encodings = group_encodings(findings.groups, legend=False)
    last = max([rows["step"].max(), *(run.steps[-1] for run in findings.runs if len(run.steps))])
    step = alt.X("step:Q", title="step").axis(tickMinStep=1)
    # The shade of the chosen moment is no reason for a longer axis.
    step = step.scale(domain=[0, float(last) + 1], nice=False)
    height = alt.Y("loss:Q", title="loss").scale(**_scale(rows["loss"]))
    line = (
        alt.Chart(inline(with_groups(rows, findings.groups)))
        .mark_line()
        .transform_filter(SHOWN)
        .encode(x=step, y=height, detail=alt.Detail("run:N"), tooltip=_tooltip("loss"), **encodings)
    )
    layers = [_shade(chosen), line, *_beside(findings, float(last), height, encodings)]
    return alt.layer(*layers)


def shows_more(findings: Findings) -> bool:
    """Whether the loss shows what is right or wrong, rather than the signal over depth.

    So it does for one network whose signal arrives: it learns, or fails for another reason.
    """
    arrives = len(findings.groups) == 1 and findings.groups[0].verdict not in ILL
    return arrives and any(not _losses(run).empty for run in findings.runs)


def _losses(run: Run) -> pd.DataFrame:
    """The losses of a run as means of stretches of steps."""
    losses = losses_of(run)
    if losses is None:
        return pd.DataFrame(columns=["run", "step", "loss"])
    steps = losses.steps
    if losses.source == "epochs":
        last = run.epochs["next_step" if "next_step" in run.epochs else "steps"] - 1
        steps = last[np.isfinite(run.epochs["loss"].astype(float))].to_numpy()
    parts = np.array_split(np.arange(len(steps)), min(MOST_POINTS, len(steps)))
    means = [(steps[part].mean(), losses.values[part].mean()) for part in parts]
    return pd.DataFrame(means, columns=["step", "loss"]).assign(run=run.name)


def _scale(values: pd.Series) -> dict[str, Any]:
    low, high = values.min(), values.max()
    return {"type": "log"} if low > 0 and high > WIDE * low else {"zero": False}


def _shade(chosen: Sequence[Moment]) -> alt.Chart:
    """The steps of the moment that the page shows."""
    rows = pd.DataFrame(
        [(index, moment.first, moment.last + 1) for index, moment in enumerate(chosen)],
        columns=["moment", "step", "end"],
    )
    return (
        alt.Chart(inline(rows))
        .mark_rect(opacity=0.15, color="#7f7f7f")
        .transform_filter("datum.moment == moment")
        .encode(x=alt.X("step:Q"), x2=alt.X2("end:Q"))
    )


def _beside(
    findings: Findings, last: float, height: alt.Y, encodings: dict[str, Any]
) -> Iterator[alt.Chart]:
    """The loss of a constant guess, and the step in which each first finding begins.

    `last` is the last step of the axis.
    """
    guesses, begins = [], []
    for run, learning, diagnosis in zip(
        findings.runs, findings.learnings, findings.diagnoses, strict=True
    ):
        if learning.guess > 0:  # a logarithm has no zero
            guesses.append((run.name, learning.guess, "a constant guess"))
        begins += [(run.name, each.steps[0], each.kind) for each in diagnosis[:1] if each.steps]
    if guesses:
        rows = pd.DataFrame(guesses, columns=["run", "loss", "what"])
        chart = alt.Chart(inline(with_groups(rows, findings.groups))).transform_filter(SHOWN)
        yield chart.mark_rule(strokeDash=[4, 4]).encode(
            y=height, color=encodings["color"], tooltip=_words("run:N", "what:N", "loss:Q")
        )
        named = alt.Chart(inline(rows.drop_duplicates("loss")))
        text = named.mark_text(align="right", baseline="bottom", dx=-4, dy=-3)
        yield text.encode(x=alt.value("width"), y=height, text=alt.Text("what:N"))
    if begins:
        rows = pd.DataFrame(begins, columns=["run", "step", "finding"])
        rows = rows.drop_duplicates(["step", "finding"])
        chart = alt.Chart(inline(with_groups(rows, findings.groups))).transform_filter(SHOWN)
        begin = alt.X("step:Q")
        mark = chart.mark_rule(strokeWidth=2).encode(
            x=begin, color=encodings["color"], tooltip=_words("run:N", "finding:N", "step:Q")
        )
        # The words stand on the side that has room.
        late = f"datum.step > {last / 2}"
        text = chart.mark_text(
            align=alt.ExprRef(f"{late} ? 'right' : 'left'"),
            dx=alt.ExprRef(f"{late} ? -5 : 5"),
            baseline="top",
            y=2,
            limit=200,
        ).encode(x=begin, text=alt.Text("finding:N"), color=encodings["color"])
        yield mark + text


def _tooltip(field: str) -> list[Any]:
    return [*_words("run:N", "step:Q"), alt.Tooltip(f"{field}:Q", format=".4g")]


def _words(*names: str) -> list[Any]:
    return list(map(alt.Tooltip, names))
