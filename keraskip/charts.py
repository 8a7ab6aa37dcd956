"""What the analysis found, as Altair charts: the same ones for the screen and for paper.

Each chart reads two parameters that a page may set: `hidden`, the names of runs that are not shown,
and `moment`, the number of the stretch of steps whose profiles are shown.
"""

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from keraskip.analysis import Group, early_profiles, signal_of
from keraskip.runs import Run

# Okabe & Ito 2008, colours that colour-blind readers can tell apart, without their yellow, which is
# faint on white; their black is a grey here, which is seen on black, too. Groups of one family
# share a colour and differ in their dashes.
COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7f7f7f")
DASHES = ((1, 0), (6, 3), (2, 2), (8, 3, 2, 3))

WIDTH, HEIGHT = 480, 270
TITLES = {
    "backward": "Backward signal: gradient of the biases",
    "kernel": "Gradient of the kernels",
    "learning": "Training",
    "frozen": "Frozen: elements that the update left as they were",
    "ratio": "Update : weight",
    "scale_free": "Scale-free gradient of the kernels",
    "heat": "Signal by layer and step",
    "probes": "Probes after the last epoch",
}
# For who does not see them.
TEXTS = {
    "backward": "Line chart: RMS gradient of the biases of each layer against its depth, one line "
    "for each run, at the chosen steps. Slopes and intervals are in the table of verdicts.",
    "kernel": "Line chart: RMS gradient of the kernel of each layer against its depth, one line "
    "for each run, at the chosen steps.",
    "learning": "Line chart: accuracy or loss on the training images by epoch, one line for each "
    "run. That of the last epoch is in the table of verdicts.",
    "frozen": "Line chart: share of the elements of each kernel that the update left as they "
    "were, against depth. That of the first kernel is in the table of verdicts.",
    "ratio": "Line chart: norm of the update over norm of the weight of each kernel, against "
    "depth. Its median is in the table of verdicts.",
    "scale_free": "Line chart: norm of the gradient times norm of the weight of each kernel of the "
    "networks with normalisation, against depth.",
    "probes": "Line charts: what each probe saw in each layer after the last epoch, against depth.",
    "heat": "Heat map for each run: RMS gradient by depth and steps.",
}
ON_PAPER = ("backward", "kernel", "learning", "frozen")
PARAMETERS = (alt.param(name="hidden", value=[]), alt.param(name="moment", value=0))
POINTS = alt.OverlayMarkDef(size=18)
SHOWN = "indexof(hidden, datum.run) < 0"


def overview(groups: Sequence[Group]) -> alt.VConcatChart:
    """Four charts on one sheet, whose profiles are those of the early steps."""
    runs = [run for group in groups for run in group.runs]
    found = charts(groups, with_groups(early_profiles(runs), groups), legend=True)
    first, second, third, fourth = (
        found[name].properties(width=WIDTH, height=HEIGHT, title=TITLES[name]) for name in ON_PAPER
    )
    return (
        alt.vconcat(alt.hconcat(first, second, spacing=40), alt.hconcat(third, fourth, spacing=40))
        .add_params(*PARAMETERS)
        .configure_view(stroke=None)
        .configure_title(anchor="start", fontSize=14, offset=10)
        .configure_axis(gridColor="#e5e5e5", labelFontSize=11, titleFontSize=12)
        .configure_legend(orient="top", columns=8, labelFontSize=12, labelLimit=300)
    )


def charts(
    groups: Sequence[Group], profiles: pd.DataFrame | alt.NamedData, legend: bool = False
) -> dict[str, Any]:
    """The charts by name, without the parameters.

    Args:
        groups: what is compared.
        profiles: of the runs, see `keraskip.analysis.profiles_at`, or the name under which a page
            has them.
        legend: whether the charts say which line is which group.
    """
    runs = [run for group in groups for run in group.runs]
    encodings = _encodings(groups, legend)
    lines = {
        "backward": _over_depth(profiles, "backward", _RMS),
        "kernel": _over_depth(profiles, "kernel", _RMS),
        "frozen": _over_depth(profiles, "kernel", _FROZEN),
        # A logarithm has no zero.
        "ratio": _over_depth(profiles, "kernel", _RATIO).transform_filter("datum.ratio > 0"),
    }
    normalised = [run.name for run in runs if run.weights["role"].isin(["beta", "gamma"]).any()]
    if normalised:
        lines["scale_free"] = _over_depth(profiles, "kernel", _SCALE_FREE).transform_filter(
            alt.FieldOneOfPredicate("run", normalised)
        )
    found: dict[str, Any] = {name: chart.encode(**encodings) for name, chart in lines.items()}
    found["learning"] = _learning(groups, encodings)
    signal = "kernel" if "kernel" in map(signal_of, runs) else "backward"
    found["heat"] = _heat(profiles, [run.name for run in runs], signal)
    if any(len(run.probes) for run in runs):
        found["probes"] = _probes(groups, encodings)
    return found


def looks_of(groups: Sequence[Group]) -> list[tuple[str, tuple[int, ...]]]:
    """For each group the colour of its family, and a dash of its own within that."""
    families = [group.settings.get("family", group.label) for group in groups]
    places = {family: place for place, family in enumerate(dict.fromkeys(families))}
    looks: list[tuple[str, tuple[int, ...]]] = []
    for number, family in enumerate(families):
        round_of_colours, colour = divmod(places[family], len(COLOURS))
        dash = (round_of_colours + families[:number].count(family)) % len(DASHES)
        looks.append((COLOURS[colour], DASHES[dash]))
    return looks


def with_groups(rows: pd.DataFrame, groups: Sequence[Group]) -> pd.DataFrame:
    """Rows of runs with the labels of their groups."""
    labels = {run.name: group.label for group in groups for run in group.runs}
    return rows.assign(group=rows["run"].map(labels))


def _encodings(groups: Sequence[Group], legend: bool) -> dict[str, Any]:
    colours, dashes = zip(*looks_of(groups), strict=True)
    key = alt.Legend(symbolType="stroke", symbolSize=500, symbolStrokeWidth=2) if legend else None
    options: dict[str, Any] = {"title": "run", "legend": key}
    names = [group.label for group in groups]
    colour = alt.Color("group:N", scale=alt.Scale(domain=names, range=list(colours)), **options)
    dash = alt.StrokeDash("group:N", scale=alt.Scale(domain=names, range=list(dashes)), **options)
    return {"color": colour, "strokeDash": dash}


def _logarithmic(field: str, title: str) -> alt.Y:
    scale, axis = alt.Scale(type="log"), alt.Axis(format=".0e", tickCount=8)
    return alt.Y(f"{field}:Q", title=title, scale=scale, axis=axis)


_RMS = _logarithmic("rms", "RMS gradient")
_RATIO = _logarithmic("ratio", "||update|| / ||weight||")
_SCALE_FREE = _logarithmic("scale_free", "||gradient|| ||weight||")
_FROZEN = alt.Y(
    "frozen:Q",
    title="share of elements",
    scale=alt.Scale(domain=[0, 1]),
    axis=alt.Axis(format="%"),
)
_TOOLTIP: list[Any] = [
    "run:N",
    "layer:N",
    "depth:Q",
    alt.Tooltip("rms:Q", title="RMS gradient", format=".2e"),
    alt.Tooltip("low:Q", title="smallest of these steps", format=".2e"),
    alt.Tooltip("high:Q", title="largest of these steps", format=".2e"),
    alt.Tooltip("frozen:Q", format=".1%"),
    alt.Tooltip("ratio:Q", title="update : weight", format=".1e"),
]


def _over_depth(profiles: pd.DataFrame | alt.NamedData, signal: str, height: alt.Y) -> alt.Chart:
    return (
        alt.Chart(profiles)
        .mark_line(point=POINTS)
        .transform_filter(f"{SHOWN} && datum.moment == moment && datum.signal == '{signal}'")
        .encode(
            x=alt.X("depth:Q", title="depth of the layer, from the input"),
            y=height,
            detail="run:N",
            tooltip=_TOOLTIP,
        )
    )


def _heat(profiles: pd.DataFrame | alt.NamedData, names: list[str], signal: str) -> alt.FacetChart:
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
            tooltip=["steps:N", *_TOOLTIP],
        )
        .properties(width=290, height=180)
        .facet(alt.Facet("run:N", title=None, sort=names).header(labelLimit=280), columns=3)
        .resolve_scale(y="independent")
    )


def _learning(groups: Sequence[Group], encodings: dict[str, Any]) -> alt.LayerChart:
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
    tooltip = [
        alt.Tooltip("group:N", title="run"),
        "epoch:Q",
        alt.Tooltip(f"mean({metric}):Q", title=metric, format=".3f"),
        alt.Tooltip(f"mean(val_{metric}):Q", title=f"held-out {metric}", format=".3f"),
        alt.Tooltip("distinct(run):Q", title="seeds"),
    ]
    chart = alt.Chart(rows).transform_filter(SHOWN)
    # Half an epoch has no number.
    whole = "datum.value % 1 ? '' : format(datum.value, 'd')"
    chart = chart.encode(x=alt.X("epoch:Q", title="epoch").axis(tickMinStep=1, labelExpr=whole))
    band = chart.mark_area(opacity=0.2).encode(
        y=alt.Y(f"min({metric}):Q", **options), y2=f"max({metric}):Q", color=encodings["color"]
    )
    line = chart.mark_line(point=POINTS)
    height = alt.Y(f"mean({metric}):Q", **options)
    return band + line.encode(y=height, tooltip=tooltip, **encodings)


def _epochs(run: Run) -> pd.DataFrame:
    return run.epochs.assign(run=run.name, epoch=run.epochs["epoch"] + 1)


def _probes(groups: Sequence[Group], encodings: dict[str, Any]) -> alt.FacetChart:
    """What each probe saw after the last epoch, against depth."""
    runs = [run for group in groups for run in group.runs if len(run.probes)]
    last = [
        run.probes[run.probes["epoch"] == run.probes["epoch"].max()].assign(run=run.name)
        for run in runs
    ]
    return (
        alt.Chart(with_groups(pd.concat(last), groups))
        .mark_line(point=POINTS)
        .transform_filter(SHOWN)
        .encode(
            x=alt.X("depth:Q", title="depth"),
            y=alt.Y("value:Q", title=None),
            detail="run:N",
            tooltip=[
                "run:N",
                "probe:N",
                "layer:N",
                "depth:Q",
                alt.Tooltip("value:Q", format=".3g"),
            ],
            **encodings,
        )
        .properties(width=290, height=180)
        .facet(alt.Facet("probe:N", title=None), columns=3)
        .resolve_scale(y="independent")
    )
