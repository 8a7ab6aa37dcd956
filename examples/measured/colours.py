"""Charts of trainings, as specifications of Vega-Lite, in colours that the colour-blind tell apart.

The colours are by Okabe and Ito, "Color universal design" (2008).
"""

from collections.abc import Mapping, Sequence
from functools import partial
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


def percent(field: str, title: str) -> Chart:
    """A channel of place for errors between 1 % and 100 %, with more room for small ones."""
    scale = {"type": "log", "domain": [1, 100], "clamp": True}
    look = {"values": [1, 2, 5, 10, 20, 50, 100], "format": "d", "gridOpacity": 0.5}
    return {"field": field, "type": "quantitative", "title": title, "scale": scale, "axis": look}


def errors_by_name(
    intervals: Mapping[str, Interval], title: str, colours: Colours, log: bool = False
) -> Chart:
    """A point with its interval for each name, one below the other; errors in percent."""
    ends = [Interval(*(max(1.0, end) for end in one)) if log else one for one in intervals.values()]
    rows = [{"name": name, **one._asdict()} for name, one in zip(intervals, ends, strict=True)]
    names = {
        "field": "name",
        "type": "nominal",
        "sort": None,
        "title": None,
        "axis": {"labelLimit": 200},
    }
    colour = coloured(colours, legend=False)
    place = percent if log else partial(axis, zero=True)
    bar = {"x": place("low", title), "x2": {"field": "high"}, "y": names, "color": colour}
    point = {"x": place("value", title), "y": names, "color": colour}
    return {
        "data": {"values": rows},
        **SIZE,
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
