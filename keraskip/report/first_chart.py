"""The large chart of a report: the signal over depth, with names instead of a legend."""

import json
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from keraskip.analysis.profiles import SMALLEST
from keraskip.analysis.verdicts import Group
from keraskip.report.chart_kinds import DEPTH, over_depth
from keraskip.report.compared import left_out, signal_of
from keraskip.report.keys import key_of, names_of
from keraskip.report.layer_names import by_way, depth_label, ways_of
from keraskip.report.looks import group_encodings
from keraskip.report.name_places import LINE, places_of
from keraskip.report.vega import Chart, channel, expression, filtered, inline

# The left side of the chart holds the names: pixels of a letter, and at most this share of it.
LETTER, MOST_OF_WIDTH = 9, 0.43
# Pixels from a name to its line where no name was moved, and where rules lead there from the names
# (fewer on a phone); pixels that a rule leaves free at both ends.
BESIDE, LEADING, FREE = "8", "(width < 500 ? 16 : 30)", 4
# In orders of magnitude: between the outermost points and the edge, and at least from edge to edge,
# so that a signal that keeps its size looks flat.
EDGE, FEWEST_ORDERS = 0.15, 3.0
MOST_MARKS = 12
ZERO = 2 * SMALLEST
# Drawn where there is no gradient to draw, which leaves empty axes.
NOTHING = {"run": "", "group": "", "branch": "0", "layer": "", "moment": -1, "depth": 1.0,
           "rms": 1.0, "run_key": -1, "group_key": -1, "layer_key": -1}  # fmt: skip


def first_chart(groups: Sequence[Group], profiles: pd.DataFrame) -> Chart:
    """The signal of each run over depth, from the input on the left, at the chosen moment.

    Args:
        groups: the groups to compare.
        profiles: the profiles of the runs at all moments, with their groups. They are not a part
            of the chart.
    """
    signal, rows = signal_of(groups), drawn(groups, profiles)
    if rows.empty:
        rows = pd.DataFrame([NOTHING])
    low, high = (float(np.log10(end)) for end in (rows["rms"].min(), rows["rms"].max()))
    edge = max(EDGE, (FEWEST_ORDERS - (high - low)) / 2)
    low, high = low - edge, high + edge
    beside = left_out(groups)
    ways, named = ways_in(groups, rows), _without(rows, beside)
    named = named[named["branch"].isin([*ways])] if ways else named
    named = named.assign(group=named["branch"].map(ways)) if ways else named
    order = sorted(groups, key=lambda group: group.verdict == "healthy")
    labels = [*ways.values()] or [group.label for group in order]
    places = places_of(named, low, high, labels)
    places = _with_keys(places, names_of(groups) | ({"group": labels} if ways else {}))
    gap = LEADING if places["moved"].any() else BESIDE
    room = LETTER * max(map(len, labels)) + 12
    names = f"min({room} + {gap}, {MOST_OF_WIDTH} * width)"
    across, height = _across(rows, names), _height(low, high)
    encodings = group_encodings(groups, legend=False)
    if ways:
        encodings["color"] = by_way(ways)
        places["branch"] = places["group"].map({name: way for way, name in ways.items()})
    lines = _lines(signal, _by_keys(beside, groups), {**encodings, "x": across, "y": height})
    shared = {"x": across, "y": height, "color": encodings["color"]}
    return {"layer": [*lines, _names(places, f"{names} - {gap}", gap, shared)]}


def _with_keys(places: pd.DataFrame, names: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """The places with the keys of the lines, by which the colours go, whatever is drawn first."""
    keys = {f"{kind}_key": places[kind].map(key_of(names[kind])) for kind in ("run", "group")}
    return places.assign(**keys)


def ways_in(groups: Sequence[Group], rows: pd.DataFrame) -> dict[str, str]:
    """The names of the ways that the chart tells apart; empty if its lines are runs."""
    return ways_of(rows) if len(groups) == 1 and len(rows) else {}


def _without(rows: pd.DataFrame, beside: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """The rows of layers on lines; all of them, if there is no such layer."""
    pairs = zip(rows["run"], rows["layer"], strict=True)
    is_on_line = np.array([layer not in beside.get(run, ()) for run, layer in pairs], dtype=bool)
    return rows[is_on_line] if is_on_line.any() else rows


def _by_keys(beside: Mapping[str, Sequence[str]], groups: Sequence[Group]) -> dict[int, list[int]]:
    """The same layers of runs by their keys."""
    names = names_of(groups)
    runs, layers = key_of(names["run"]), key_of(names["layer"])
    return {runs[run]: [layers[layer] for layer in each] for run, each in beside.items()}


def _lines(
    signal: str, beside: Mapping[int, Sequence[int]], encodings: dict[str, Chart]
) -> list[Chart]:
    """Lines of the layers that are compared, and hollow points for those that are not."""
    is_drawn = f"datum.rms > {ZERO}"
    if not beside:
        return [over_depth(signal, is_drawn, **encodings)]
    place = f"indexof({json.dumps(beside)}[datum.run_key] || [], datum.layer_key)"
    points = over_depth(signal, is_drawn, f"{place} >= 0", **encodings)
    points["encoding"] |= {"opacity": {"value": 0.6}}
    points["mark"] = {"type": "point", "filled": False, "strokeWidth": 1}
    return [over_depth(signal, is_drawn, f"{place} < 0", **encodings), points]


def drawn(groups: Sequence[Group], profiles: pd.DataFrame) -> pd.DataFrame:
    """The rows of the profiles that have a place on a logarithm."""
    # Others are zeros, as behind a scalar that begins at 0.
    rows = profiles[(profiles["signal"] == signal_of(groups)) & (profiles["rms"] > ZERO)]
    return rows[np.isfinite(rows["rms"].astype(float))].astype({"rms": float})


def _height(low: float, high: float) -> Chart:
    """The axis on the right, with a line for each order of magnitude, or for every n-th."""
    orders = range(math.ceil(low), math.floor(high) + 1)
    marks = [10.0**order for order in orders[:: len(orders) // MOST_MARKS + 1]]
    scale = {"type": "log", "domain": [10.0**low, 10.0**high], "nice": False}
    axis = {"format": ".0e", "orient": "right", "values": marks}
    return channel("rms:Q", title="size of the gradient (RMS)", scale=scale, axis=axis)


def _across(rows: pd.DataFrame, names: str) -> Chart:
    """The axis of the depth; left of the first layer there is room for the names."""
    depths = rows["depth"]
    first, last = float(depths.min()), float(depths.max())
    left = f"{first} - {names} / (width - {names}) * {max(last - first, 1)}"
    scale = {"domain": [expression(left), last], "nice": False, "zero": False}
    label = depth_label(rows, f"width - {names}")
    axis = {
        "labelExpr": f"datum.value < {first} || datum.value % 1 ? '' : {label}",
        "labelFlush": False,
        "tickOpacity": expression(f"datum.value < {first} ? 0 : 1"),
        "tickMinStep": 1,
        "grid": False,
    }
    return channel("depth:Q", title=DEPTH, scale=scale, axis=axis)


def _names(places: pd.DataFrame, width: str, gap: str, shared: dict[str, Chart]) -> Chart:
    """The name of each group left of its first layer, with a thin rule where it was moved.

    Args:
        places: of the names.
        width: room for the names, in pixels.
        gap: between a name and its line, in pixels.
        shared: the channels of names and rules.
    """
    text = {
        "type": "text",
        "align": "right",
        "baseline": "middle",
        "dx": expression(f"-{gap}"),
        "fontSize": expression(f"min(13, {LINE} * height)"),
        "fontWeight": 600,
        "limit": expression(width),
    }
    rule = {"type": "rule", "xOffset": expression(f"{FREE} - {gap}"), "x2Offset": -FREE}
    columns = ("rms", "depth", "end", "first", "moved", "group")
    one = [{"op": "min", "field": name, "as": name} for name in columns]
    return {
        "data": inline(places),
        "transform": [
            *filtered("datum.moment == moment"),
            # A name stays until all runs of its group are switched off.
            {
                "aggregate": one,
                "groupby": [key for key in ("group_key", "branch") if key in places],
            },
        ],
        "encoding": shared,
        "layer": [
            {"mark": text, "encoding": {"text": channel("group:N")}},
            {
                "mark": rule,
                "encoding": {
                    "x2": {"field": "first"},
                    "y2": {"field": "end"},
                    "opacity": {"condition": {"test": "datum.moved", "value": 0.6}, "value": 0},
                },
            },
        ],
    }
