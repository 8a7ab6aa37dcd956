"""The kinds of charts: lines over depth, heat map, training, and probes over depth and time.

Each chart reads two parameters that a page may set: `hidden`, the names of runs that are not shown,
and `moment`, the index of the stretch of steps whose profiles are shown.
"""

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from keraskip.analysis.verdicts import Group
from keraskip.report.looks import with_groups
from keraskip.runs import Run

PARAMETERS = (alt.param(name="hidden", value=[]), alt.param(name="moment", value=0))
SHOWN = "indexof(hidden, datum.run) < 0"
TOOLTIP: list[Any] = [
    *map(alt.Tooltip, ("run:N", "layer:N", "depth:Q")),
    alt.Tooltip("rms:Q", title="RMS gradient", format=".2e"),
    alt.Tooltip("low:Q", title="smallest of these steps", format=".2e"),
    alt.Tooltip("high:Q", title="largest of these steps", format=".2e"),
    alt.Tooltip("frozen:Q", format=".1%"),
    alt.Tooltip("update_ratio:Q", title="update : weight", format=".1e"),
]
# Channels are spelled out: Altair takes 5 ms to make one of a string.
# The profiles of the runs, or the name under which a page holds them.
Profiles = pd.DataFrame | alt.NamedData | dict[str, Any]
# A chart over time is about as many pixels wide.
MOST_STEPS = 250
PROBE_TOOLTIP: list[Any] = [
    *map(alt.Tooltip, ("run:N", "probe:N", "layer:N", "depth:Q")),
    alt.Tooltip("value:Q", format=".3g"),
]
TIME_TOOLTIP: list[Any] = [
    *map(alt.Tooltip, ("run:N", "layer:N", "time:Q")),
    alt.Tooltip("value:Q", format=".2e"),
]


def logarithmic(field: str, title: str) -> alt.Y:
    """A logarithmic axis for a column of the profiles."""
    scale, axis = alt.Scale(type="log"), alt.Axis(format=".0e", tickCount=8, ticks=False)
    return alt.Y(f"{field}:Q", title=title, scale=scale, axis=axis)


def share(field: str, title: str) -> alt.Y:
    """An axis from 0 to 100 % for a column of the profiles."""
    scale, axis = alt.Scale(domain=[0, 1]), alt.Axis(format="%")
    return alt.Y(f"{field}:Q", title=title, scale=scale, axis=axis)


def over_depth(profiles: Profiles, signal: str, height: alt.Y) -> alt.Chart:
    """A line for each branch of each run over the depth of its layers, at the chosen moment."""
    return (
        alt.Chart(profiles)
        .mark_line(point=True)
        .transform_filter(f"{SHOWN} && datum.moment == moment && datum.signal == '{signal}'")
        .encode(
            x=alt.X("depth:Q", title="depth of the layer, from the input").axis(tickMinStep=1),
            y=height,
            detail=[alt.Detail("run:N"), alt.Detail("branch:N")],
            # The longest way is the strongest line.
            opacity=alt.condition("datum.branch == '0'", alt.value(1), alt.value(0.6)),
            tooltip=TOOLTIP,
        )
    )


def heat_map(profiles: Profiles, names: list[str], signal: str) -> Any:
    """The signal of each run by depth and moment."""
    few_labels = alt.Axis(labelOverlap="greedy", labelSeparation=3)
    return (
        alt.Chart(profiles)
        .mark_rect()
        .transform_filter(f"{SHOWN} && datum.signal == '{signal}'")
        .encode(
            x=alt.X("steps:N", title="steps", sort=alt.SortField("moment"), axis=few_labels),
            y=alt.Y("depth:O", title="depth", sort="descending", axis=few_labels),
            color=alt.Color("rms:Q", title="RMS gradient")
            .scale(type="log", scheme="viridis")
            .legend(format=".0e"),
            tooltip=[alt.Tooltip("steps:N"), *TOOLTIP],
        )
        .properties(width=290, height=180)
        .facet(alt.Facet("run:N", title=None, sort=names).header(labelLimit=280), columns=3)
        .resolve_scale(y="independent")
    )


def training(groups: Sequence[Group], encodings: dict[str, Any]) -> alt.LayerChart:
    """Training accuracy by epoch, or the loss where no run has an accuracy.

    A line is the mean of the seeds of a group, and a band reaches from the least to the greatest.
    """
    runs = [run for group in groups for run in group.runs]
    metric = "accuracy" if any("accuracy" in run.epochs for run in runs) else "loss"
    rows = with_groups(pd.concat([_epochs(run) for run in runs]), groups)
    rows = rows.reindex(columns=["run", "group", "epoch", metric, f"val_{metric}"])
    options: dict[str, Any] = {"title": f"training {metric}"}
    if metric == "accuracy":
        options |= {"scale": alt.Scale(domain=[0, 1]), "axis": alt.Axis(format="%")}
    chart = alt.Chart(inline(rows)).transform_filter(SHOWN)
    # An axis of few epochs has ticks at half epochs, too: without a label.
    whole = "datum.value % 1 ? '' : format(datum.value, 'd')"
    chart = chart.encode(x=alt.X("epoch:Q", title="epoch").axis(tickMinStep=1, labelExpr=whole))
    band = chart.mark_area(opacity=0.2).encode(
        y=alt.Y(f"min({metric}):Q", **options),
        y2=alt.Y2(f"max({metric}):Q"),
        color=encodings["color"],
    )
    line = chart.mark_line(point=True)
    height = alt.Y(f"mean({metric}):Q", **options)
    return band + line.encode(y=height, tooltip=_training_tooltip(metric), **encodings)


def _epochs(run: Run) -> pd.DataFrame:
    return run.epochs.assign(run=run.name, epoch=run.epochs["epoch"] + 1)


def _training_tooltip(metric: str) -> list[Any]:
    return [
        alt.Tooltip("group:N", title="run"),
        alt.Tooltip("epoch:Q"),
        alt.Tooltip(f"mean({metric}):Q", title=metric, format=".3f"),
        alt.Tooltip(f"mean(val_{metric}):Q", title=f"held-out {metric}", format=".3f"),
        alt.Tooltip("distinct(run):Q", title="seeds"),
    ]


def last_probes(groups: Sequence[Group]) -> pd.DataFrame:
    """The rows of all probes after the last epoch of each run; those over time have a `time`."""
    runs = [run for group in groups for run in group.runs]
    last = [
        run.probes[run.probes["epoch"] == run.probes["epoch"].max()].assign(run=run.name)
        for run in runs
    ]
    return with_groups(pd.concat(last), groups)


def probes(rows: pd.DataFrame, encodings: dict[str, Any]) -> alt.FacetChart:
    """The values of each probe over depth."""
    return (
        alt.Chart(inline(rows))
        .mark_line(point=True)
        .transform_filter(SHOWN)
        .encode(
            x=alt.X("depth:Q", title="depth"),
            y=alt.Y("value:Q", title=None),
            detail=alt.Detail("run:N"),
            tooltip=PROBE_TOOLTIP,
            **encodings,
        )
        .properties(width=290, height=180)
        .facet(alt.Facet("probe:N", title=None), columns=3)
        .resolve_scale(y="independent")
    )


def over_time(rows: pd.DataFrame, encodings: dict[str, Any]) -> alt.FacetChart:
    """The gradient at the input of each recurrent layer over its time steps.

    Of a long sequence every n-th step is drawn, counted from the last one.
    """
    last = rows.groupby(["run", "layer"])["time"].transform("max")
    drawn = rows[(last - rows["time"]) % (last // MOST_STEPS + 1) == 0]
    return (
        alt.Chart(inline(drawn))
        .mark_line(point=True)
        # A logarithm has no zero.
        .transform_filter(f"{SHOWN} && datum.value > 0")
        .encode(
            x=alt.X("time:Q", title="time step").axis(tickMinStep=1),
            y=logarithmic("value", "norm of the gradient"),
            detail=alt.Detail("run:N"),
            tooltip=TIME_TOOLTIP,
            **encodings,
        )
        .properties(width=290, height=180)
        .facet(alt.Facet("layer:N", title=None, sort=None), columns=3)
        .resolve_scale(x="independent")
    )


def inline(rows: pd.DataFrame) -> dict[str, Any]:
    """Rows as a part of the chart. A page cannot hold a frame of more than 5000 rows (Altair)."""
    # JSON has no NaN and no infinity.
    finite = rows.replace([np.inf, -np.inf], np.nan).astype(object)
    return {"values": finite.where(finite.notna(), None).to_dict("records")}
