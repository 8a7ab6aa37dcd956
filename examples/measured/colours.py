"""Charts of trainings, as specifications of Vega-Lite, in colours that the colour-blind tell apart.

The colours are by Okabe and Ito, "Color universal design" (2008).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from measured.claim import Chart
from measured.intervals import Interval

BLUE, ORANGE, GREEN, PINK, GREY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#555555"
SIZE = {"width": 330, "height": 260}
Colours = Mapping[str, str]


def coloured(colours: Colours, legend: bool = True) -> Chart:
    """The channel of colour for named lines or points."""
    scale = {"domain": list(colours), "range": list(colours.values())}
    look = {"orient": "bottom", "title": None, "columns": 2, "labelLimit": 320}
    return {
        "field": "name",
        "type": "nominal",
        "scale": scale,
        "legend": look if legend else None,
    }


def axis(field: str, title: str, log: bool = False, zero: bool = False) -> Chart:
    """A channel of place, for numbers."""
    look = {"format": ".0e"} if log else {}
    scale = {"type": "log"} if log else {"zero": zero}
    return {
        "field": field,
        "type": "quantitative",
        "title": title,
        "scale": scale,
        "axis": {"tickCount": 6, "gridOpacity": 0.5, **look},
    }


def errors_by_name(intervals: Mapping[str, Interval], title: str, colours: Colours) -> Chart:
    """A point with its interval for each name, one below the other."""
    rows = [
        {"name": name, "value": one.value, "low": one.low, "high": one.high}
        for name, one in intervals.items()
    ]
    names = {
        "field": "name",
        "type": "nominal",
        "sort": None,
        "title": None,
        "axis": {"labelLimit": 200},
    }
    colour = coloured(colours, legend=False)
    bar = {"x": axis("low", title, zero=True), "x2": {"field": "high"}, "y": names, "color": colour}
    point = {"x": axis("value", title, zero=True), "y": names, "color": colour}
    return {
        "data": {"values": rows},
        **SIZE,
        "height": {"step": 36},
        "layer": [
            {"mark": {"type": "rule", "strokeWidth": 2}, "encoding": bar},
            {"mark": {"type": "point", "filled": True, "size": 90}, "encoding": point},
        ],
    }


def over(
    rows: Sequence[dict[str, Any]], colours: Colours, *, x: str, y: str, log: bool = False
) -> Chart:
    """A line for each name, through points with `x` and `y`."""
    return {
        "data": {"values": list(rows)},
        **SIZE,
        "mark": {"type": "line", "strokeWidth": 2, "point": {"size": 24}},
        "encoding": {"x": axis("x", x), "y": axis("y", y, log), "color": coloured(colours)},
    }


def side_by_side(*charts: Chart) -> Chart:
    """Charts beside one another."""
    own = {"scale": {"color": "independent"}}
    return {"hconcat": list(charts), "spacing": 40, "resolve": own}
