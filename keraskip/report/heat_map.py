"""The heat map of a run: its signal by layer and step."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from keraskip.analysis.profiles import hidden_weights
from keraskip.report.chart_kinds import TOOLTIP
from keraskip.report.map_names import names_on
from keraskip.report.vega import HALO, PROFILES, Chart, channel, faceted, filtered
from keraskip.runs import Run

# In pixels: the map of a single run has a height by its layers, and each map of several has HEIGHT.
LAYER, LEAST_HEIGHT, MOST_HEIGHT, HEIGHT = 18, 120, 480, 180
# Pixels by which cells overlap: a browser leaves seams between them otherwise.
OVERLAP = 1.5
# Long names of layers differ at their ends.
ENDING = "length(datum.label) > 20 ? '…' + slice(datum.label, -19) : datum.label"


def heat_map(
    runs: Sequence[Run], signal: str, blamed: Mapping[str, Mapping[str, str]] | None
) -> Chart:
    """The signal of each run by layer and moment, the first layer at the bottom.

    Args:
        runs: the runs.
        signal: whose profiles are drawn.
        blamed: for each run the layers that are written on the map, and why.
    """
    tests = filtered(f"datum.signal == '{signal}'")
    rows = max(len(hidden_weights(run, signal)) for run in runs)
    height = min(max(LEAST_HEIGHT, LAYER * rows), MOST_HEIGHT) if len(runs) == 1 else HEIGHT
    bands = {"width": {"band": 1.05}, "height": {"band": 1 + OVERLAP * rows / height}}
    cells = {"mark": {"type": "rect", **bands}, "encoding": _colours()}
    layers = [cells, *_named_layers(runs, signal, blamed or {}, height)]
    chart: Chart = {"transform": tests, "encoding": _places(), "layer": layers}
    if len(runs) == 1:
        return {"data": PROFILES, **chart, "height": height}
    names = [run.name for run in runs]
    facet = channel("run:N", title=None, sort=names, header={"labelLimit": 280})
    return faceted(facet, PROFILES, "y", **chart)


def _places() -> dict[str, Chart]:
    """The axes."""
    few_labels = {"labelOverlap": "greedy", "labelSeparation": 3, "ticks": False, "labelPadding": 6}
    upwards = {"field": "depth", "op": "min", "order": "descending"}
    return {
        "x": channel("steps:N", title="steps", sort={"field": "moment"}, axis=few_labels),
        "y": channel("layer:N", title=None, sort=upwards, axis={**few_labels, "labelExpr": ENDING}),
    }


def _colours() -> dict[str, Any]:
    """The colour of a cell, and what it says."""
    colour = channel(
        "rms:Q",
        title="RMS gradient",
        scale={"type": "log", "scheme": "viridis"},
        legend={"format": ".0e", "orient": "top"},
    )
    return {"color": colour, "tooltip": [channel("steps:N"), *TOOLTIP]}


def _named_layers(
    runs: Sequence[Run],
    signal: str,
    blamed: Mapping[str, Mapping[str, str]],
    height: int,
) -> list[Chart]:
    """The names of some layers of some runs, each on its row, with what is wrong with it."""
    named = {run.name: names_on(run, signal, blamed.get(run.name, {}), height) for run in runs}
    if not any(named.values()):
        return []
    text = f"({json.dumps(named)}[datum.run] || {{}})[datum.layer]"
    words = {"type": "text", "align": "left", "x": 4, "fontWeight": 600}
    rows = {
        "transform": [
            {"filter": text},
            {"aggregate": [{"op": "min", "field": "depth", "as": "depth"}],
             "groupby": ["run", "layer"]},
            {"calculate": text, "as": "words"},
        ],
        "encoding": {"x": {"value": 0}, "text": channel("words:N")},
    }  # fmt: skip
    dark, light = {**words, **HALO, "stroke": "#000000"}, {**words, "color": "#fffffe"}
    return [{**rows, "mark": mark} for mark in (dark, light)]
