"""The heat map of a run: its signal by layer and step."""

import json
from collections.abc import Mapping, Sequence

from keraskip.analysis.profiles import hidden_weights
from keraskip.report.chart_kinds import TOOLTIP
from keraskip.report.vega import HALO, PROFILES, Chart, channel, faceted, filtered
from keraskip.runs import Run

# Cells overlap a little: a browser leaves seams between them otherwise.
CELL = {"type": "rect", "width": {"band": 1.04}, "height": {"band": 1.04}}
# Of the map of a single run, in pixels.
MOST_HEIGHT = 480
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
    few_labels = {"labelOverlap": "greedy", "labelSeparation": 3}
    colour = channel(
        "rms:Q",
        title="RMS gradient",
        scale={"type": "log", "scheme": "viridis"},
        legend={"format": ".0e", "orient": "top"},
    )
    upwards = {"field": "depth", "op": "min", "order": "descending"}
    places = {
        "x": channel("steps:N", title="steps", sort={"field": "moment"}, axis=few_labels),
        "y": channel("layer:N", title=None, sort=upwards, axis={**few_labels, "labelExpr": ENDING}),
    }
    colours = {"color": colour, "tooltip": [channel("steps:N"), *TOOLTIP]}
    tests = filtered(f"datum.signal == '{signal}'")
    layers = [{"mark": CELL, "encoding": colours}, *_named_layers(blamed or {})]
    chart: Chart = {"transform": tests, "encoding": places, "layer": layers}
    if len(runs) == 1:
        rows = len(hidden_weights(runs[0], signal))
        return {"data": PROFILES, **chart, "height": min(max(120, 18 * rows), MOST_HEIGHT)}
    names = [run.name for run in runs]
    facet = channel("run:N", title=None, sort=names, header={"labelLimit": 280})
    return faceted(facet, PROFILES, "y", **chart)


def _named_layers(blamed: Mapping[str, Mapping[str, str]]) -> list[Chart]:
    """The names of some layers of some runs, each on its row, with what is wrong with it."""
    if not blamed:
        return []
    why = f"({json.dumps(blamed)}[datum.run] || {{}})[datum.layer]"
    words = {"type": "text", "align": "left", "x": 4, "fontWeight": 600}
    named = {
        "transform": [
            {"filter": why},
            {"aggregate": [{"op": "min", "field": "depth", "as": "depth"}],
             "groupby": ["run", "layer"]},
            {"calculate": f"datum.layer + ': ' + {why}", "as": "words"},
        ],
        "encoding": {"x": {"value": 0}, "text": channel("words:N")},
    }  # fmt: skip
    dark, light = {**words, **HALO, "stroke": "#000000"}, {**words, "color": "#fffffe"}
    return [{**named, "mark": mark} for mark in (dark, light)]
