"""Charts of measurements, as specifications of Vega-Lite."""

from collections.abc import Sequence
from typing import Any

from keraskip.report.looks import COLOURS
from keraskip.report.vega import channel
from measured.claim import Chart

WIDTH, HEIGHT = 420, 260
SERIES = "series"


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


def axis(column: str, title: str, **options: Any) -> Chart:
    """A channel of numbers, with a title that has the unit."""
    return channel(f"{column}:Q", title=title, **options)


def log_axis(column: str, title: str, **options: Any) -> Chart:
    """A channel of positive numbers on a logarithmic axis."""
    ticks = {"format": "~g", "labelOverlap": True, **options.pop("axis", {})}
    return axis(column, title, scale={"type": "log", "nice": False}, axis=ticks, **options)
