"""Which run's network is another one's with skips: known from what the recorder wrote of both.

`add_skips` keeps the layers, their names and weights, so a twin differs in merges alone, and in the
layers that `scale` and `project` add, whose names end as below. Keras numbers the layers of a
second model on, so layers are compared by kind, activation, depth and shape. A twin drawn by hand,
with the additions in its code, is known in the same way.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from keraskip.runs import Run

MERGES = ("Add", "Concatenate")
# What `keraskip/models/joining.py` makes of the name of a stretch's last layer.
OF_A_SKIP = re.compile(r"(.+)_(?:add|concat|scale|scale_axis|shortcut|shortcut_\w+)(?:_\d+)?")
# Settings that may differ between a training before and after.
OF_NO_WEIGHT = ("metrics",)


def is_twin(other: Run, plain: Run) -> bool:
    """Whether the network of `other` is that of `plain` with more skips, trained in the same way.

    False for runs of networks whose calls the recorder does not know, such as subclassed ones.
    """
    if not all(run.info.get("kinds") for run in (other, plain)):  # as in runs of before
        return False
    ours, theirs = _merges(other), _merges(plain)
    wider = ours["Concatenate"] > theirs["Concatenate"]
    has_more = ours.total() > theirs.total() and all(ours[kind] >= theirs[kind] for kind in theirs)
    return (
        has_more
        and _training(other) == _training(plain)
        and Counter(_layers(other)) == Counter(_layers(plain))
        and Counter(_weights(other, wider)) == Counter(_weights(plain, wider))
    )


def _merges(run: Run) -> Counter[str]:
    return Counter(kind for kind in run.info.get("kinds") or [] if kind in MERGES)


def _training(run: Run) -> dict[str, Any]:
    facts: Mapping[str, Any] = run.info.get("training") or {}
    return {key: value for key, value in facts.items() if key not in OF_NO_WEIGHT}


def _layers(run: Run) -> Iterator[tuple[str, str | None]]:
    """Kind and activation of each call that makes no skip."""
    info = run.info
    names = set(map(_own_name, info.get("calls") or []))
    calls = zip(*(info.get(key) or [] for key in ("calls", "kinds", "activations")), strict=True)
    for name, kind, activation in calls:
        if kind not in (*MERGES, "InputLayer") and not _is_of_a_skip(name, names):
            yield kind, activation


def _weights(run: Run, wider: bool) -> Iterator[tuple]:
    """Role, depth and shape of each weight that belongs to no skip.

    Args:
        run: the run.
        wider: whether a concatenation may have made layers wider, whose inputs do not count then.
    """
    rows = run.weights[["layer", "role", "depth", "shape"]].to_numpy().tolist()
    names = {_own_name(layer) for layer, *_ in rows}
    for layer, role, depth, shape in rows:
        if not _is_of_a_skip(layer, names):
            units = shape[-1] if len(shape) > 1 else None
            yield role, depth, *((len(shape), units) if wider else shape)


def _is_of_a_skip(name: str, names: set[str]) -> bool:
    """Whether a layer was made by `add_skips`: it is named after another one."""
    found = OF_A_SKIP.fullmatch(_own_name(name))
    return found is not None and found[1] in names


def _own_name(layer: str) -> str:
    """The name of a layer without the models around, which may be others in the twin."""
    return layer.rpartition("/")[2]
