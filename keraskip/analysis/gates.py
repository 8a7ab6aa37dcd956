"""Branches behind a gate: a weight that multiplies a residual branch, and begins at 0."""

from dataclasses import replace

import numpy as np

from keraskip.analysis.lines import Line, line_of
from keraskip.analysis.silence import Silence
from keraskip.analysis.windows import sound_steps
from keraskip.runs import Run

ADDED = ("bias", "beta")


def gated_layers(silence: Silence) -> list[str]:
    """The layers on branches that begin multiplied by 0, from the input on.

    Such are a learned scalar (Bachlechner et al. 2020; De & Smith 2020), a last gamma (Goyal et al.
    2017), or a last kernel (Zhang et al. 2019) of zeros. In the first step a gated layer gets a
    gradient of exactly 0, and later one as small as the gate still is, while the identity beside
    it carries the signal on: its size says nothing about depth. A kernel of zeros in a line has no
    identity beside it, so no layer below gets a gradient in the first step, not even a gate.
    """
    run = silence.run
    rows = sound_steps(run)[:1]
    if not (len(rows) and run.steps[rows[0]] == 0 and silence.is_graph_known):
        return []
    gates, zero = _gates(run, rows[0]), _layers(run, run.grad_norm[rows[0]] == 0)
    found: list[str] = []
    for name in reversed(zero):
        behind = silence.behind[name]
        if behind and all(each in gates or each in found for each in behind):
            found.insert(0, name)
    depth = dict(zip(run.weights["layer"], run.weights["depth"], strict=True))
    opened = {each for name in found for each in silence.behind[name] if each in gates}
    # Another tower says nothing about what carries the signal past these branches.
    below = _before(run, opened).difference(zero)
    lowest = min((depth[name] for name in below if name in depth), default=np.inf)
    return found if any(depth[name] > lowest for name in found) else []


def _before(run: Run, layers: set[str]) -> set[str]:
    """The layers from which these can be reached."""
    after = dict(zip(run.weights["layer"], run.weights["after"], strict=True))
    found: set[str] = set()
    left = list(layers)
    while left:
        new = set(after.get(left.pop()) or ()) - found
        found |= new
        left += new
    return found


def _gates(run: Run, row: int) -> set[str]:
    """The layers with a weight that begins at 0, is not added, and gets a gradient."""
    is_factor = ~run.weights["role"].isin(ADDED).to_numpy()
    opens = is_factor & (run.weight_norm[row] == 0) & (run.grad_norm[row] > 0)
    return set(run.weights["layer"][opens])


def _layers(run: Run, holds: np.ndarray) -> list[str]:
    """The layers, in the order of depth, for all of whose weights something holds."""
    layer = run.weights["layer"].to_numpy()
    others = set(layer[~holds])
    return [name for name in dict.fromkeys(layer) if name not in others]


def line_of_equals(silence: Silence) -> Line:
    """The line of layers that can be compared: those without a gate, if there are any.

    Where all hidden layers lie behind gates they are compared with each other, but not with the
    output. Heads that are not trained do not count.
    """
    gated = gated_layers(silence)
    line = line_of(silence.run, [*silence.heads, *gated])
    if len(line.depth) or not gated:
        return line
    line = line_of(silence.run, silence.heads)
    return replace(line, output=line.output[:0])
