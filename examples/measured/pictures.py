"""Charts of measurements, as specifications of Vega-Lite.

Charts that belong together stand below one another, so that a telephone shows them legibly.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from keraskip.report.looks import COLOURS
from keraskip.report.vega import channel
from measured.claim import Chart
from measured.intervals import Interval

WIDTH, HEIGHT = 420, 260
SERIES = "series"
ORANGE, BLUE = COLOURS[:2]


def lines(rows: list[dict[str, Any]], x: Chart, y: Chart, order: Sequence[str]) -> Chart:
    """Lines with points and, where rows have `low` and `high`, a bar for the interval.

    Args:
        rows: the points, with the columns of `x` and `y` and the name of the line as `series`.
        x: the channel of the horizontal axis.
        y: the channel of the vertical axis.
        order: the names of the lines, in the order of their colours.
    """
    colour = channel(
        f"{SERIES}:N",
        title=None,
        scale={"domain": list(order), "range": list(COLOURS[: len(order)])},
        legend={"orient": "top", "columns": 2, "labelLimit": 320},
    )
    shape = channel(f"{SERIES}:N", title=None, scale={"domain": list(order)})
    encoding = {"x": x, "y": y, "color": colour}
    bars = {"y": {**y, "field": "low"}, "y2": {"field": "high"}, "x": x, "color": colour}
    layers: list[Chart] = [
        {"mark": {"type": "line", "strokeWidth": 2}, "encoding": encoding},
        {"mark": {"type": "point", "filled": True}, "encoding": {**encoding, "shape": shape}},
    ]
    if "low" in rows[0]:
        layers.append({"mark": {"type": "rule"}, "encoding": bars})
    return {"data": {"values": rows}, "width": WIDTH, "height": HEIGHT, "layer": layers}


def errors_by_name(errors: Mapping[str, Interval], place: Chart, colours: Sequence[str]) -> Chart:
    """A point with its interval for each name, one below the other.

    Args:
        errors: the intervals by their names.
        place: the horizontal axis, as `axis` and `percents` give one.
        colours: a colour for each name.
    """
    rows = [{SERIES: name, **one._asdict()} for name, one in errors.items()]
    names = channel(f"{SERIES}:N", sort=None, title=None, axis={"labelLimit": 200})
    scale = {"domain": list(errors), "range": list(colours)}
    shared = {"y": names, "color": channel(f"{SERIES}:N", scale=scale, legend=None)}
    bar = {"x": {**place, "field": "low"}, "x2": {"field": "high"}, **shared}
    point = {"x": {**place, "field": "value"}, **shared}
    layers: list[Chart] = [
        {"mark": {"type": "rule", "strokeWidth": 2, "clip": True}, "encoding": bar},
        {"mark": {"type": "point", "filled": True, "size": 90}, "encoding": point},
    ]
    return {"data": {"values": rows}, "width": WIDTH, "height": 36 * len(rows), "layer": layers}


def heat_map(cells: list[dict[str, Any]]) -> Chart:
    """The weights between layers, block by block.

    Args:
        cells: rows with `block`, `layer`, `source` and `weight`, the latter from 0 to 1.
    """
    level = {"labelAngle": 0}
    weight = channel(
        "weight:Q",
        title=["mean |weight|", "(largest of layer = 1)"],
        scale={"scheme": "viridis", "domain": [0, 1]},
    )
    encoding = {
        "x": channel("layer:O", title="layer", axis=level),
        "y": channel("source:O", title="source (0: input of the block)", axis=level),
        "color": weight,
    }
    return {
        "data": {"values": cells},
        "facet": channel("block:N", title=None),
        "columns": 2,
        "spec": {"width": 210, "height": 210, "mark": "rect", "encoding": encoding},
    }


def stacked(*charts: Chart) -> Chart:
    """Charts below one another, each with its own legend."""
    own = {"scale": {"color": "independent", "shape": "independent"}}
    return {"vconcat": list(charts), "spacing": 30, "resolve": own}


def axis(column: str, title: str, **options: Any) -> Chart:
    """A channel of numbers, with a title that has the unit."""
    return channel(f"{column}:Q", title=title, **options)


def log_axis(column: str, title: str, **options: Any) -> Chart:
    """A channel of positive numbers on a logarithmic axis."""
    ticks = {"format": "~g", "labelOverlap": True, **options.pop("axis", {})}
    return axis(column, title, scale={"type": "log", "nice": False}, axis=ticks, **options)


def percents(column: str, title: str) -> Chart:
    """A channel of errors between 1 % and 100 %, with more room for small ones."""
    ticks = {"values": [1, 2, 5, 10, 20, 50, 100], "format": "d"}
    scale = {"type": "log", "domain": [1, 100], "clamp": True}
    return axis(column, title, scale=scale, axis=ticks)
