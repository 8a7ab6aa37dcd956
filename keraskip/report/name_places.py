"""Where the names of lines stand, left of the lines: a line of text apart."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

# The share of the height that a line of text takes.
LINE = 0.055
MOST_NAMES = int(1 / LINE)


def places_of(rows: pd.DataFrame, low: float, high: float, order: Sequence[str]) -> pd.DataFrame:
    """Where the names stand: beside the first layer, and moved apart where they would overlap.

    Of more names than there is room for, those that come first in `order` are shown.

    Args:
        rows: what is drawn: `rms` by `depth` of each `run` of a `group`, for each `moment`.
        low: lower end of the axis, in orders of magnitude.
        high: its upper end.
        order: the groups, the most urgent one first.

    Returns:
        A row for each run and moment: `depth` and `rms`, where the name of its group stands,
        `first` and `end`, where the lines of its group begin, and `moved`, whether it stands
        elsewhere.
    """
    begins = rows.sort_values("depth").groupby(["moment", "group", "run"], as_index=False).first()
    begins["height"] = (np.log10(begins["rms"]) - low) / (high - low)
    means = begins.groupby(["moment", "group"], as_index=False)
    ends = means.agg(first=("depth", "min"), height=("height", "mean")).sort_values("height")
    heights, names = ends["height"].to_numpy(), ends["group"].to_list()
    spread = np.full(len(ends), np.nan)
    for indices in ends.groupby("moment").indices.values():
        chosen = np.asarray(indices)
        if len(indices) > MOST_NAMES:
            ranks = [order.index(names[index]) for index in chosen]
            chosen = chosen[_with_room(heights[chosen], ranks)]
        spread[chosen] = _apart(heights[chosen])
    places = ends[["moment", "group", "first"]].assign(
        rms=10.0 ** (low + (high - low) * spread),
        end=10.0 ** (low + (high - low) * heights),
        moved=abs(spread - heights) > LINE / 2,
        depth=rows["depth"].min(),
    )
    places = places[np.isfinite(spread)]
    return begins[["run", "group", "moment"]].merge(places, on=["group", "moment"])


def _with_room(heights: np.ndarray, ranks: Sequence[int]) -> list[int]:
    """The indices of names that lie a line apart; the lowest rank chooses first."""
    chosen: list[int] = []
    for index in np.argsort(ranks):
        if all(abs(heights[index] - heights[other]) >= LINE for other in chosen):
            chosen.append(int(index))
    return sorted(chosen)


def _apart(heights: np.ndarray) -> np.ndarray:
    """Rising heights from 0 to 1, moved as little as needed to lie a line apart.

    The sum of the squared moves is the smallest possible: names that come to
    touch each other lie about the mean of their lines (pool adjacent violators, Ayer et al. 1955).
    """
    line = min(LINE, 1 / max(len(heights), 1))
    spaces = line * np.arange(len(heights))
    pools: list[tuple[float, int]] = []
    # Without the spaces that they need, they only have to rise.
    for height in heights - spaces:
        mean, count = float(height), 1
        while pools and pools[-1][0] > mean:
            below, number = pools.pop()
            mean = (mean * count + below * number) / (count + number)
            count += number
        pools.append((mean, count))
    free = np.repeat([mean for mean, _ in pools], [count for _, count in pools])
    return np.clip(free, line / 2, 1 - line / 2 - spaces[-1]) + spaces
