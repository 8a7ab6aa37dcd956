"""Networks of several inputs: each tower by itself, from its own input to the output."""

from dataclasses import replace

import numpy as np

from keraskip.analysis.estimates import FEWEST_LAYERS
from keraskip.analysis.lines import Line
from keraskip.analysis.silence import Silence


def towers(line: Line, silence: Silence) -> dict[str, Line]:
    """The line of each tower, by the name of its first layer; empty for a network of one.

    A tower has three layers or more that no other input reaches. Side by side in one line, the
    tower with the larger gradients would hide the other.
    """
    if not silence.is_graph_known:
        return {}
    reached = {root: _reached(root, silence.behind) for root in _roots(silence)}
    found = {}
    for root, layers in reached.items():
        others = set().union(*(reached[other] for other in reached if other != root))
        own = _restricted(line, layers - others)
        if len(own.depth) >= FEWEST_LAYERS:
            found[root] = _restricted(line, layers)
    return found if len(found) > 1 else {}


def _roots(silence: Silence) -> list[str]:
    """The layers without another one before them."""
    followed = {name for names in silence.behind.values() for name in names}
    return [name for name in silence.behind if name not in followed]


def _reached(root: str, behind: dict[str, list[str]]) -> set[str]:
    """The layers on the ways from a layer to the outputs, itself included."""
    found, waiting = {root}, [root]
    while waiting:
        new = set(behind[waiting.pop()]) - found
        found |= new
        waiting.extend(new)
    return found


def _restricted(line: Line, layers: set[str]) -> Line:
    """The part of a line that lies in some layers."""
    names = line.run.weights["layer"].to_numpy()[line.columns]
    return replace(line, columns=line.columns[np.isin(names, list(layers))])
