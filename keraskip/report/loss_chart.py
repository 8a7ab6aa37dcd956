"""The loss of each step, beside a constant guess, with the beginnings of what was found."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from keraskip.analysis.losses import losses_of
from keraskip.analysis.moments import Moment
from keraskip.report.by_step import means_by_step, scale_of
from keraskip.report.findings import Findings
from keraskip.report.keys import with_groups
from keraskip.report.looks import group_encodings
from keraskip.report.vega import HALO, Chart, channel, expression, filtered, inline
from keraskip.runs import Run

# Verdicts on a signal that does not arrive as it should.
ILL = ("vanishing", "exploding", "dead", "no gradient")


def loss_chart(findings: Findings, chosen: Sequence[Moment]) -> Chart | None:
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
    # The shade of the chosen moment is no reason for a longer axis.
    domain = {"domain": [0, float(last) + 1], "nice": False}
    step = channel("step:Q", title="step", axis={"tickMinStep": 1}, scale=domain)
    height = channel("loss:Q", title="loss", scale=scale_of(rows["loss"]), axis={"tickCount": 6})
    line = {
        "data": inline(with_groups(rows, findings.groups)),
        "mark": "line",
        "transform": filtered(),
        "encoding": {
            "x": step,
            "y": height,
            "detail": channel("run_key:N"),
            "tooltip": _tooltip("run:N", "step:Q", "loss:Q"),
            **encodings,
        },
    }
    colour = encodings["color"]
    beside = (*_guesses(findings, height, colour), *_begins(findings, float(last), colour))
    return {"layer": [_shade(chosen), line, *beside]}


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
    return means_by_step(steps, losses.values, "loss").assign(run=run.name)


def _shade(chosen: Sequence[Moment]) -> Chart:
    """The steps of the moment that the page shows."""
    rows = pd.DataFrame(
        [(index, moment.first, moment.last + 1) for index, moment in enumerate(chosen)],
        columns=["moment", "step", "end"],
    )
    return {
        "data": inline(rows),
        "mark": {"type": "rect", "opacity": 0.15, "color": "#7f7f7f"},
        "transform": [{"filter": "datum.moment == moment"}],
        "encoding": {"x": channel("step:Q"), "x2": {"field": "end"}},
    }


def _guesses(findings: Findings, height: Chart, colour: Chart) -> Iterator[Chart]:
    """The loss of a constant guess, for each run that has one."""
    pairs = zip(findings.runs, findings.learnings, strict=True)
    # A logarithm has no zero.
    guesses = [(run.name, each.guess, "a constant guess") for run, each in pairs if each.guess > 0]
    if not guesses:
        return
    rows = pd.DataFrame(guesses, columns=["run", "loss", "what"])
    tooltip = _tooltip("run:N", "what:N", "loss:Q")
    yield {
        "data": inline(with_groups(rows, findings.groups)),
        "mark": {"type": "rule", "strokeDash": [4, 4]},
        "transform": filtered(),
        "encoding": {"y": height, "color": colour, "tooltip": tooltip},
    }
    words = {"type": "text", "align": "right", "baseline": "bottom", "dx": -4, "dy": -3}
    yield {
        "data": inline(rows.drop_duplicates("loss")),
        "encoding": {"x": {"value": "width"}, "y": height, "text": channel("what:N")},
        "layer": [{"mark": {**words, **HALO}}, {"mark": words}],
    }


def _begins(findings: Findings, last: float, colour: Chart) -> Iterator[Chart]:
    """The step in which each first finding begins; `last` is the last step of the axis."""
    begins = [
        (run.name, diagnosis[0].steps[0], diagnosis[0].kind)
        for run, diagnosis in zip(findings.runs, findings.diagnoses, strict=True)
        if diagnosis and diagnosis[0].steps
    ]
    if not begins:
        return
    rows = pd.DataFrame(begins, columns=["run", "step", "finding"])
    rows = with_groups(rows.drop_duplicates(["step", "finding"]), findings.groups)
    # The words stand on the side that has room, above the lines.
    late = f"datum.step > {last / 2}"
    words = {
        "type": "text",
        "align": expression(f"{late} ? 'right' : 'left'"),
        "baseline": "bottom",
        "y": -3,
        "limit": 200,
    }
    tooltip = _tooltip("run:N", "finding:N", "step:Q")
    yield {
        "data": inline(rows),
        "transform": filtered(),
        "encoding": {"x": channel("step:Q"), "color": colour},
        "layer": [
            {"mark": {"type": "rule", "strokeWidth": 2}, "encoding": {"tooltip": tooltip}},
            {"mark": words, "encoding": {"text": channel("finding:N")}},
        ],
    }


def _tooltip(*columns: str) -> list[Chart]:
    formats = {"loss:Q": {"format": ".4g"}}
    return [channel(column, **formats.get(column, {})) for column in columns]
