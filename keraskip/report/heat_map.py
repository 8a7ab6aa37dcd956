"""The heat map of a run: its signal by layer and step."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from keraskip.analysis.profiles import hidden_weights
from keraskip.analysis.verdicts import Group
from keraskip.report.chart_kinds import TOOLTIP
from keraskip.report.keys import key_of, names_of
from keraskip.report.map_names import names_on
from keraskip.report.vega import HALO, PROFILES, Chart, channel, faceted, filtered, named

# In pixels: the map of a single run has a height by its layers, and each map of several has HEIGHT.
LAYER, LEAST_HEIGHT, MOST_HEIGHT, HEIGHT = 18, 120, 480, 180
# Pixels by which cells overlap: a browser leaves seams between them otherwise.
OVERLAP = 1.5
# Long names of layers differ at their ends.
NAME = "layer_names[datum.value]"
ENDING = f"length({NAME}) > 20 ? '…' + slice({NAME}, -19) : {NAME}"


def heat_map(
    groups: Sequence[Group], signal: str, blamed: Mapping[str, Mapping[str, str]] | None
) -> Chart:
    """The signal of each run by layer and moment, the first layer at the bottom.

    Args:
        groups: of the runs.
        signal: whose profiles are drawn.
        blamed: for each run the layers that are written on the map, and why.
    """
    runs = [run for group in groups for run in group.runs]
    tests = filtered(f"datum.signal == '{signal}'")
    rows = max(len(hidden_weights(run, signal)) for run in runs)
    height = min(max(LEAST_HEIGHT, LAYER * rows), MOST_HEIGHT) if len(runs) == 1 else HEIGHT
    bands = {"width": {"band": 1.05}, "height": {"band": 1 + OVERLAP * rows / height}}
    cells = {"mark": {"type": "rect", **bands}, "encoding": _colours()}
    words = [names_on(run, signal, (blamed or {}).get(run.name, {}), height) for run in runs]
    layers = [cells, *_named_layers(words, key_of(names_of(groups)["layer"]))]
    chart: Chart = {"transform": tests, "encoding": _places(), "layer": layers}
    if len(runs) == 1:
        return {"data": PROFILES, **chart, "height": height}
    header = {**named("run"), "labelLimit": 280}
    facet = channel("run_key:N", title=None, sort=list(range(len(runs))), header=header)
    return faceted(facet, PROFILES, "y", **chart)


def _places() -> dict[str, Chart]:
    """The axes."""
    few_labels = {"labelOverlap": "greedy", "labelSeparation": 3, "ticks": False, "labelPadding": 6}
    named_layers = {**few_labels, "labelExpr": ENDING}
    upwards = {"field": "depth", "op": "min", "order": "descending"}
    return {
        "x": channel("steps:N", title="steps", sort={"field": "moment"}, axis=few_labels),
        "y": channel("layer_key:N", title=None, sort=upwards, axis=named_layers),
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


def _named_layers(names: Sequence[Mapping[str, str]], keys: Mapping[str, int]) -> list[Chart]:
    """The names of some layers of each run, each on its row, with what is wrong with it."""
    if not any(names):
        return []
    by_key = [{keys[layer]: text for layer, text in each.items()} for each in names]
    text = f"({json.dumps(by_key)}[datum.run_key] || {{}})[datum.layer_key]"
    words = {"type": "text", "align": "left", "x": 4, "fontWeight": 600}
    rows = {
        "transform": [
            {"filter": text},
            {"aggregate": [{"op": "min", "field": "depth", "as": "depth"}],
             "groupby": ["run_key", "layer_key"]},
            {"calculate": text, "as": "words"},
        ],
        "encoding": {"x": {"value": 0}, "text": channel("words:N")},
    }  # fmt: skip
    dark, light = {**words, **HALO, "stroke": "#000000"}, {**words, "color": "#fffffe"}
    return [{**rows, "mark": mark} for mark in (dark, light)]
