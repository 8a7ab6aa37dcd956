"""The large chart of a report: the signal over depth, with names instead of a legend."""

import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from keraskip.analysis.lines import line_of
from keraskip.analysis.profiles import SMALLEST
from keraskip.analysis.verdicts import Group
from keraskip.report.chart_kinds import SHOWN, inline, over_depth
from keraskip.report.looks import group_encodings

# The left side of the chart holds the names: pixels of a letter, and at most this share of it.
LETTER, MOST_OF_WIDTH = 9, 0.4
# The share of the height that a line of text takes.
LINE = 0.055
MOST_NAMES = int(1 / LINE)
# In orders of magnitude: between the outermost points and the edge, and at least from edge to edge,
# so that a signal that keeps its size looks flat.
EDGE, FEWEST_ORDERS = 0.15, 3.0
MOST_MARKS = 12
ZERO = 2 * SMALLEST
# Drawn where there is no gradient to draw, which leaves empty axes.
NOTHING = {"run": "", "group": "", "moment": -1, "depth": 1.0, "rms": 1.0}


def signal_of(groups: Sequence[Group]) -> str:
    """The signal that all runs have: `backward`, or `kernel` where one has few biases."""
    signals = {line_of(run).signal for group in groups for run in group.runs}
    return "kernel" if "kernel" in signals else "backward"


def first_chart(groups: Sequence[Group], profiles: pd.DataFrame, data: Any) -> Any:
    """The signal of each run over depth, from the input on the left, at the chosen moment.

    Args:
        groups: the groups to compare.
        profiles: the profiles of the runs at all moments, with their groups.
        data: what the chart draws: the profiles, or their name in a page.
    """
    signal = signal_of(groups)
    # Zeros, as behind a scalar that begins at 0, have no place on a logarithm.
    rows = profiles[(profiles["signal"] == signal) & (profiles["rms"] > ZERO)]
    rows = rows[np.isfinite(rows["rms"].astype(float))].astype({"rms": float})
    if rows.empty:
        rows = pd.DataFrame([NOTHING])
    low, high = (float(np.log10(end)) for end in (rows["rms"].min(), rows["rms"].max()))
    edge = max(EDGE, (FEWEST_ORDERS - (high - low)) / 2)
    low, high = low - edge, high + edge
    names = f"min({LETTER} * {max(map(len, rows['group']))} + 20, {MOST_OF_WIDTH} * width)"
    across, height = _across(rows["depth"], names), _height(low, high)
    encodings = group_encodings(groups, legend=False)
    order = sorted(groups, key=lambda group: group.verdict == "healthy")
    places = _spread(rows, low, high, [group.label for group in order])
    lines = over_depth(data, signal, height).transform_filter(f"datum.rms > {ZERO}")
    lines = lines.encode(x=across, **encodings)
    return lines + _names(places, names).encode(x=across, y=height, color=encodings["color"])


def _height(low: float, high: float) -> alt.Y:
    """The axis on the right, with a line for each order of magnitude, or for every n-th."""
    orders = range(math.ceil(low), math.floor(high) + 1)
    marks = [10.0**order for order in orders[:: len(orders) // MOST_MARKS + 1]]
    height = alt.Y("rms:Q", title="size of the gradient (RMS)")
    height = height.scale(type="log", domain=[10.0**low, 10.0**high], nice=False)
    return height.axis(format=".0e", orient="right", values=marks)


def _across(depths: pd.Series, names: str) -> alt.X:
    """The axis of the depth; left of the first layer there is room for the names."""
    first, last = depths.min(), depths.max()
    left = f"{first} - {names} / (width - {names}) * {max(last - first, 1)}"
    across = alt.X("depth:Q", title="depth of the layer, from the input")
    across = across.scale(domainMin=alt.ExprRef(left), domainMax=last, nice=False, zero=False)
    return across.axis(
        labelExpr=f"datum.value < {first} || datum.value % 1 ? '' : format(datum.value, 'd')",
        tickOpacity=alt.ExprRef(f"datum.value < {first} ? 0 : 1"),
        tickMinStep=1,
        grid=False,
    )


def _names(places: pd.DataFrame, width: str) -> alt.Chart:
    """The name of each group left of its first layer; `width` is what they have, in pixels."""
    return (
        alt.Chart(inline(places))
        .mark_text(
            align="right",
            baseline="middle",
            dx=-8,
            fontSize=alt.ExprRef(f"min(13, {LINE} * height)"),
            fontWeight=600,
            limit=alt.ExprRef(f"{width} - 8"),
        )
        .transform_filter(f"{SHOWN} && datum.moment == moment")
        .transform_aggregate(rms="min(rms)", depth="min(depth)", groupby=["group"])
        .encode(text=alt.Text("group:N"))
    )


def _spread(rows: pd.DataFrame, low: float, high: float, order: Sequence[str]) -> pd.DataFrame:
    """Where the names stand: beside the first layer, and moved apart where they would overlap.

    Of more names than there is room for, those that come first in `order` are shown. There is a
    row for each run, so that a name stays until all runs of its group are switched off.
    """
    ends = rows.sort_values("depth").groupby(["moment", "group"], as_index=False).first()
    parts = []
    for _, part in ends.groupby("moment"):
        part = part.sort_values("rms")
        heights = (np.log10(part["rms"]) - low) / (high - low)
        if len(part) > MOST_NAMES:
            chosen = _with_room(heights.to_numpy(), [order.index(name) for name in part["group"]])
            part, heights = part.iloc[chosen], heights.iloc[chosen]
        moved = low + (high - low) * _apart(heights.to_numpy())
        parts.append(part.assign(rms=10.0**moved, depth=rows["depth"].min()))
    heights = pd.concat(parts)[["group", "moment", "depth", "rms"]]
    return rows[["run", "group", "moment"]].drop_duplicates().merge(heights, on=["group", "moment"])


def _with_room(heights: np.ndarray, ranks: Sequence[int]) -> list[int]:
    """The indices of names that lie a line apart; the lowest rank chooses first."""
    chosen: list[int] = []
    for index in np.argsort(ranks):
        if all(abs(heights[index] - heights[other]) >= LINE for other in chosen):
            chosen.append(int(index))
    return sorted(chosen)


def _apart(heights: np.ndarray) -> np.ndarray:
    """Rising heights from 0 to 1, moved as little as needed to lie a line apart."""
    line = min(LINE, 1 / max(len(heights), 1))
    spaces = line * np.arange(len(heights))
    # Without the spaces that they need, they only have to rise.
    free = heights - spaces
    lower, upper = np.maximum.accumulate(free), np.minimum.accumulate(free[::-1])[::-1]
    return np.clip((lower + upper) / 2, line / 2, 1 - line / 2 - spaces[-1]) + spaces
