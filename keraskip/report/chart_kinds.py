"""The kinds of charts: lines over depth, training, and probes over depth and time."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from keraskip.analysis.verdicts import Group
from keraskip.report.keys import with_groups
from keraskip.report.vega import PROFILES, Chart, channel, faceted, filtered, inline, named
from keraskip.runs import Run

LINE = {"type": "line", "point": True}
DEPTH = "depth of the layer, from the input"
# An axis of few layers or epochs has ticks at halves, too: without a label.
WHOLE = {
    "tickMinStep": 1,
    "labelExpr": "datum.value % 1 ? '' : format(datum.value, 'd')",
}
TOOLTIP = [
    *map(channel, ("run:N", "layer:N", "depth:Q")),
    channel("rms:Q", title="RMS gradient", format=".2e"),
    channel("low:Q", title="smallest of these steps", format=".2e"),
    channel("high:Q", title="largest of these steps", format=".2e"),
    channel("frozen:Q", format=".1%"),
    channel("update_ratio:Q", title="update : weight", format=".1e"),
]
# A chart over time is about as many pixels wide.
MOST_STEPS = 250
PROBE_TOOLTIP = [
    *map(channel, ("run:N", "probe:N", "layer:N", "depth:Q")),
    channel("value:Q", format=".3g"),
]
TIME_TOOLTIP = [*map(channel, ("run:N", "layer:N", "time:Q")), channel("value:Q", format=".2e")]


def logarithmic(field: str, title: str) -> Chart:
    """A logarithmic axis for a column of the profiles."""
    axis = {"format": ".0e", "tickCount": 8, "ticks": False}
    return channel(f"{field}:Q", title=title, scale={"type": "log"}, axis=axis)


def share(field: str, title: str) -> Chart:
    """An axis from 0 to 100 % for a column of the profiles."""
    return channel(f"{field}:Q", title=title, scale={"domain": [0, 1]}, axis={"format": "%"})


def over_depth(signal: str, *tests: str, **encodings: Chart) -> Chart:
    """A line for each branch of each run over the depth of its layers, at the chosen moment.

    Args:
        signal: whose profiles are drawn.
        tests: that a row passes to be drawn.
        encodings: at least `y`.
    """
    return {
        "data": PROFILES,
        "mark": LINE,
        "transform": filtered("datum.moment == moment", f"datum.signal == '{signal}'", *tests),
        "encoding": {
            "x": channel("depth:Q", title=DEPTH, axis=WHOLE),
            "detail": [channel("run_key:N"), channel("branch:N")],
            # The longest way is the strongest line.
            "opacity": {"condition": {"test": "datum.branch == '0'", "value": 1}, "value": 0.6},
            "tooltip": TOOLTIP,
            **encodings,
        },
    }


def metric_of(groups: Sequence[Group], prefix: str = "") -> str | None:
    """Accuracy, or the loss where no run has an accuracy; None where none has either.

    Args:
        groups: of the runs.
        prefix: `"val_"` for held-out samples.
    """
    known = {name for group in groups for run in group.runs for name in run.epochs}
    names = (f"{prefix}accuracy", f"{prefix}loss")
    return next((name for name in names if name in known), None)


def by_epoch(groups: Sequence[Group], metric: str, encodings: dict[str, Chart]) -> Chart:
    """A metric by epoch.

    A line is the mean of the seeds of a group, and a band reaches from the least to the greatest.
    """
    runs = [run for group in groups for run in group.runs]
    rows = with_groups(pd.concat([_epochs(run) for run in runs]), groups)
    rows = rows.reindex(columns=["run_key", "group", "group_key", "epoch", metric])
    kind, name = ("held-out", metric[4:]) if metric.startswith("val_") else ("training", metric)
    options: dict[str, Any] = {"title": f"{kind} {name}"}
    if name == "accuracy":
        options |= {"scale": {"domain": [0, 1]}, "axis": {"format": "%"}}
        # Far outside of the axis it would make a sheet without end. float32 may round above 1.
        rows[metric] = rows[metric].where(rows[metric].between(0, 1.001))
    band = {
        "y": channel(f"min({metric}):Q", **options),
        "y2": {"field": metric, "aggregate": "max"},
        "color": encodings["color"],
    }
    height = channel(f"mean({metric}):Q", **options)
    line = {"y": height, "tooltip": _epoch_tooltip(metric, name), **encodings}
    return {
        "data": inline(rows),
        "transform": filtered(),
        "encoding": {"x": channel("epoch:Q", axis=WHOLE)},
        "layer": [
            {"mark": {"type": "area", "opacity": 0.2}, "encoding": band},
            {"mark": LINE, "encoding": line},
        ],
    }


def _epochs(run: Run) -> pd.DataFrame:
    return run.epochs.assign(run=run.name, epoch=run.epochs["epoch"] + 1)


def _epoch_tooltip(metric: str, name: str) -> list[Chart]:
    return [
        # Not a key by which Vega would group the rows.
        channel("min(group):N", title="run"),
        channel("epoch:Q"),
        channel(f"mean({metric}):Q", title=name, format=".3f"),
        channel("distinct(run_key):Q", title="seeds"),
    ]


def last_probes(groups: Sequence[Group]) -> pd.DataFrame:
    """The rows of all probes after the last epoch of each run; those over time have a `time`."""
    runs = [run for group in groups for run in group.runs]
    last = [
        run.probes[run.probes["epoch"] == run.probes["epoch"].max()].assign(run=run.name)
        for run in runs
    ]
    return with_groups(pd.concat(last), groups)


def probes(rows: pd.DataFrame, encodings: dict[str, Chart]) -> Chart:
    """The values of each probe over depth."""
    encoding = {
        "x": channel("depth:Q", title="depth", axis=WHOLE),
        "y": channel("value:Q", title=None),
        "detail": channel("run_key:N"),
        "tooltip": PROBE_TOOLTIP,
        **encodings,
    }
    facet = channel("probe_key:N", title=None, header=named("probe"))
    drawn = {"mark": LINE, "transform": filtered(), "encoding": encoding}
    return faceted(facet, inline(rows), "y", **drawn)


def over_time(rows: pd.DataFrame, encodings: dict[str, Chart]) -> Chart:
    """The gradient at the input of each recurrent layer over its time steps.

    Of a long sequence every n-th step is drawn, counted from the last one.
    """
    last = rows.groupby(["run", "layer"])["time"].transform("max")
    drawn = rows[(last - rows["time"]) % (last // MOST_STEPS + 1) == 0]
    encoding = {
        "x": channel("time:Q", title="time step", axis={"tickMinStep": 1}),
        "y": logarithmic("value", "norm of the gradient"),
        "detail": channel("run_key:N"),
        "tooltip": TIME_TOOLTIP,
        **encodings,
    }
    # A logarithm has no zero.
    tests = filtered("datum.value > 0")
    facet = channel("layer_key:N", title=None, sort=None, header=named("layer"))
    return faceted(facet, inline(drawn), "x", mark=LINE, transform=tests, encoding=encoding)
