"""What the analysis found, as Altair charts: the same ones for the screen and for paper."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from keraskip.analysis import early_steps, profile
from keraskip.runs import Run

# Okabe & Ito 2008, colours that colour-blind readers can tell apart, without their yellow, which
# is faint on white. Runs of one family share a colour and differ in their dashes.
COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
DASHES = ((1, 0), (6, 3), (2, 2), (8, 3, 2, 3))

WIDTH, HEIGHT = 480, 270


def overview(runs: Sequence[Run]) -> alt.VConcatChart:
    """The four charts of a comparison. A click on the legend brings out one run in all of them."""
    backward, kernels = _profiles(runs, "backward"), _profiles(runs, "kernel")
    charts = [
        _over_depth(backward, _RMS, "Backward signal: gradient of the biases"),
        _over_depth(kernels, _RMS, "Gradient of the kernels"),
        _learning(runs),
        _over_depth(kernels, _FROZEN, "Frozen: elements that the update left as they were"),
    ]
    picked = alt.selection_point(fields=["run"], bind="legend")
    colour, dash = _looks(runs)
    charts = [
        chart.encode(
            color=colour,
            strokeDash=dash,
            opacity=alt.condition(picked, alt.value(1), alt.value(0.08)),
        ).properties(width=WIDTH, height=HEIGHT)
        for chart in charts
    ]
    charts[0] = charts[0].add_params(picked)
    return (
        alt.vconcat(alt.hconcat(*charts[:2], spacing=40), alt.hconcat(*charts[2:], spacing=40))
        .configure_view(stroke=None)
        .configure_title(anchor="start", fontSize=14, offset=10)
        .configure_axis(gridColor="#e5e5e5", labelFontSize=11, titleFontSize=12)
        .configure_legend(orient="top", columns=8, labelFontSize=12, labelLimit=300)
    )


def _looks(runs: Sequence[Run]) -> tuple[alt.Color, alt.StrokeDash]:
    """A colour for each family and a dash for each run within it."""
    names, colours, dashes = [], [], []
    families: list[str] = []
    for run in runs:
        family = run.info.get("trial", {}).get("family", run.name)
        families.append(family)
        names.append(run.name)
        colours.append(COLOURS[list(dict.fromkeys(families)).index(family) % len(COLOURS)])
        dashes.append(DASHES[(families.count(family) - 1) % len(DASHES)])
    legend = alt.Legend(symbolType="stroke", symbolSize=500, symbolStrokeWidth=2)
    colour = alt.Scale(domain=names, range=colours)
    dash = alt.Scale(domain=names, range=dashes)
    return (
        alt.Color("run:N", title="run", scale=colour, legend=legend),
        alt.StrokeDash("run:N", title="run", scale=dash, legend=legend),
    )


def _profiles(runs: Sequence[Run], signal: str) -> pd.DataFrame:
    """The profiles over the early steps, one below the other, with the names of their runs."""
    columns = pd.DataFrame(columns=["run", "layer", "path", "depth", "rms", "frozen"])
    frames = [
        profile(run, signal, early_steps(run)).assign(run=run.name)
        for run in runs
        if len(run.steps)
    ]
    return pd.concat(frames) if frames else columns


_RMS = alt.Y(
    "rms:Q",
    title="RMS gradient",
    scale=alt.Scale(type="log"),
    axis=alt.Axis(format=".0e", tickCount=8),
)
_FROZEN = alt.Y(
    "frozen:Q",
    title="share of elements",
    scale=alt.Scale(domain=[0, 1]),
    axis=alt.Axis(format="%"),
)


def _over_depth(rows: pd.DataFrame, height: alt.Y, title: str) -> alt.Chart:
    return _lines(rows, title).encode(
        x=alt.X("depth:Q", title="depth of the layer, from the input"),
        y=height,
        tooltip=[
            "run:N",
            "layer:N",
            "depth:Q",
            alt.Tooltip("rms:Q", title="RMS gradient", format=".2e"),
            alt.Tooltip("frozen:Q", title="frozen", format=".1%"),
        ],
    )


def _learning(runs: Sequence[Run]) -> alt.Chart:
    """Training accuracy by epoch, or the loss where no run has an accuracy."""
    accuracy = any("accuracy" in run.epochs for run in runs)
    metric = "accuracy" if accuracy else "loss"
    rows = pd.concat(
        [run.epochs.assign(run=run.name, epoch=run.epochs["epoch"] + 1) for run in runs]
    )
    rows = rows.reindex(columns=["run", "epoch", metric, f"val_{metric}"])
    height = alt.Y(f"{metric}:Q", title=f"training {metric}")
    if accuracy:
        height = height.scale(domain=[0, 1]).axis(format="%")
    return _lines(rows, f"Training {metric}").encode(
        x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(tickMinStep=1, format="d")),
        y=height,
        tooltip=[
            "run:N",
            "epoch:Q",
            alt.Tooltip(f"{metric}:Q", format=".3f"),
            alt.Tooltip(f"val_{metric}:Q", title=f"held-out {metric}", format=".3f"),
        ],
    )


def _lines(rows: pd.DataFrame, title: str) -> alt.Chart:
    return alt.Chart(rows, title=title).mark_line(point=alt.OverlayMarkDef(size=18))
