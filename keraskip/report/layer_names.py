"""The names of layers on the large chart: of the ways through a network, and on its axis."""

import json
from collections.abc import Mapping

import pandas as pd

from keraskip.report.looks import COLOURS
from keraskip.report.vega import Chart, channel

# A way of fewer layers beside the longest one, such as a shortcut, has no name.
FEWEST_OF_A_WAY = 3
# Pixels of a letter below the axis.
LETTER = 7


def ways_of(rows: pd.DataFrame) -> dict[str, str]:
    """The long ways that lie side by side in a network, each by the name of its first layer.

    Args:
        rows: of the profiles of one network.

    Returns:
        The names by `branch`; empty if one way is all.
    """
    layers = rows.sort_values("depth", kind="stable").drop_duplicates(["branch", "layer"])
    layers = layers[layers["run"] == layers["run"].iloc[0]].groupby("branch")["layer"]
    ways = {way: names.iloc[0] for way, names in layers if len(names) >= FEWEST_OF_A_WAY}
    are_known = 1 < len(ways) <= len(COLOURS) and len(set(ways.values())) == len(ways)
    return ways if are_known else {}


def by_way(ways: Mapping[str, str]) -> Chart:
    """A colour for each way; short ways beside them are grey."""
    test = " || ".join(f"datum.branch == '{way}'" for way in ways)
    scale = {"domain": [*ways], "range": list(COLOURS[: len(ways)])}
    colour = channel("branch:N", scale=scale, legend=None)
    return {"condition": {"test": test, **colour}, "value": "#7f7f7f"}


def depth_label(rows: pd.DataFrame, width: str) -> str:
    """A depth on the axis, with the name of its layer below it where all names have room.

    Args:
        rows: of the profiles that the chart draws.
        width: of the axis, as an expression.
    """
    number = "format(datum.value, 'd')"
    layers = rows.drop_duplicates(["depth", "layer"])
    if layers["depth"].duplicated().any():
        return number
    last_parts = [name.rpartition("/")[2] for name in layers["layer"]]
    names = last_parts if len(set(last_parts)) == len(last_parts) else layers["layer"].to_list()
    name_at = dict(zip(map("{:g}".format, layers["depth"]), names, strict=True))
    room = LETTER * (max(map(len, names)) + 1) * len(names)
    return f"({width} < {room} ? {number} : [{number}, {json.dumps(name_at)}[{number}]])"
