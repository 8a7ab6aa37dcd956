"""The words on a heat map: the layers that are blamed, as many as have room on their rows."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from keraskip.analysis.profiles import hidden_weights
from keraskip.runs import Run

# Pixels of a line of text.
TEXT = 14


def names_on(run: Run, signal: str, why: Mapping[str, str], height: int) -> dict[str, str]:
    """What is written on the rows of a map, by the layer of the row.

    Where the rows are too near to each other for all names, the first and the last layer are named,
    and the number of the others stands between them.

    Args:
        run: the run.
        signal: whose profiles are drawn.
        why: what is wrong with each layer that is blamed. Layers that are not on the map are left
            out.
        height: of the map, in pixels.
    """
    weights = run.weights.iloc[hidden_weights(run, signal)].sort_values("depth", kind="stable")
    rows = list(dict.fromkeys(weights["layer"]))
    blamed = {row: f"{row}: {why[name]}" for name in why if (row := _row_of(name, rows))}
    places = sorted(map(rows.index, blamed))
    gap = math.ceil(TEXT * len(rows) / height)
    return {rows[place]: words for place, words in _apart(places, rows, blamed, gap).items()}


def _row_of(layer: str, rows: Sequence[str]) -> str | None:
    """The row of a layer; by the last part of its path, if a single row has that part."""
    if layer in rows:
        return layer
    last = layer.rpartition("/")[2]
    found = [row for row in rows if row.rpartition("/")[2] == last]
    return found[0] if len(found) == 1 else None


def _apart(
    places: Sequence[int], rows: Sequence[str], words: Mapping[str, str], gap: int
) -> dict[int, str]:
    """The words of rows that lie at least `gap` rows apart, by the number of the row."""
    steps = [after - before for before, after in pairwise(places)]
    if all(step >= gap for step in steps):
        return {place: words[rows[place]] for place in places}
    first, middle, last = places[0], places[len(places) // 2], places[-1]
    if min(middle - first, last - middle) < gap:
        return {first: f"{words[rows[first]]}, and {len(places) - 1} more"}
    return {
        first: words[rows[first]],
        middle: f"and {len(places) - 2} more",
        last: words[rows[last]],
    }
