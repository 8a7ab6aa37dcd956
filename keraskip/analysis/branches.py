"""The branches of a network: its layers as ways that lie side by side, as charts draw them."""

from collections.abc import Mapping, Sequence

import numpy as np

from keraskip.runs import Run


def branches_of(run: Run, columns: np.ndarray) -> list[str]:
    """For each of some weights the branch on which it lies; no two of one depth share one.

    `"0"` is the longest way from an input to an output, `"1"` the longest one through the other
    layers, and so on. Further weights at the same place, as of a layer and its normalisation, have
    a number behind a dot.
    """
    weights = run.weights
    depths = dict(zip(weights["layer"], weights["depth"], strict=True))
    after = weights.get("after", [None] * len(weights))
    number_of = _ways(depths, dict(zip(weights["layer"], after, strict=True)))
    seen: dict[tuple[int, float], int] = {}
    names = []
    for layer, depth in weights[["layer", "depth"]].iloc[columns].itertuples(index=False):
        number = number_of[layer]
        times = seen[number, depth] = seen.get((number, depth), -1) + 1
        names.append(f"{number}.{times}" if times else f"{number}")
    return names


def _ways(depths: Mapping[str, float], after: Mapping[str, Sequence[str] | None]) -> dict[str, int]:
    """The number of each layer's way; without a known graph any layer above is taken for the next.

    Args:
        depths: of the layers.
        after: the layers right before each one; not a list where that is not known.
    """
    # The deepest layer first; each way takes the deepest one before it that is free.
    free = dict.fromkeys(sorted(depths, key=lambda name: -depths[name]))
    number_of: dict[str, int] = {}
    while free:
        number = len(set(number_of.values()))
        layer: str | None = next(iter(free))
        while layer is not None:
            number_of[layer] = number
            del free[layer]
            known = after[layer]
            if isinstance(known, list):
                before = [name for name in known if name in free]
            else:
                before = [name for name in free if depths[name] < depths[layer]]
            layer = max(before, key=depths.__getitem__, default=None)
    return number_of
