"""Where in a network a layer stands: its stage, its block and what it is there for.

In the networks of this package the layers' names tell: the stem is stage 0, a dense block is a
stage whose layers are the blocks, a transition opens the next stage as its block 0, and the head
belongs to no stage.

In any other network the graph does. The stage is how many convolutions or poolings with strides
lie on the way from the input: the C2 to C5 of detection networks are stages 2 to 5 of a ResNet-50.
A merge of paths, by addition or concatenation, ends a block, along with an activation right after
it. What comes after the last layer with spatial axes is the head.
"""

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import keras
import numpy as np

from keraskip.models.costs import Call, trace
from keraskip.models.frame import connect

# By the name of a class or of one that it inherits from: Keras' layers and its operations.
ROLES = {
    "input": r"InputLayer",
    "conv": r"(Depthwise|Separable)?Conv\dD(Transpose)?|RecomputedConvolutions",
    "dense": r"Dense",
    "norm": r"(Batch|Group|Layer|RMS|Unit)Normalization|ChannelMoments",
    "activation": r"Activation|\w*(elu6?|silu|sigmoid|softmax|tanh)",
    "merge": r"Add|Average|Concatenate|Maximum|Minimum|Subtract",
    "pool": r"\w*Pool(ing\dD)?",
    "pad": r"Pad|(Cropping|ZeroPadding)\dD",
}


class Place(NamedTuple):
    """Stage and block of a layer; they order as they follow each other."""

    stage: int
    block: int


# After all stages.
HEAD = Place(sys.maxsize, 0)


def features(model: keras.Model, stages: Sequence[int] | None = None) -> keras.Model:
    """The model that returns the maps with which stages end, for detection or segmentation.

    A stage ends with its last merge and an activation right after that; without merges, with its
    last layer that does not pad.

    Args:
        model: any functional or built Sequential model.
        stages: numbers as in `anatomy(model).frame`, in the order wanted; by default all above 0.

    Returns:
        A model that shares inputs, layers and weights with `model`, its outputs one per stage.

    Raises:
        TypeError: for a model without a graph.
        ValueError: for a stage that there is not, or that ends inside a nested model.

    Example:

    >>> from keraskip import build_resnet
    >>> [tuple(output.shape) for output in features(build_resnet(20), stages=[2, 3]).outputs]
    [(None, 16, 16, 32), (None, 8, 8, 64)]
    """
    calls = trace(model)
    ends = _ends(calls, locate(calls))
    wanted = [stage for stage in ends if stage > 0] if stages is None else list(stages)
    if not wanted or not set(wanted) <= set(ends):
        raise ValueError(
            f"stages must be some of {sorted(ends)}, those of model {model.name!r}. "
            f"Received: stages={wanted}"
        )
    for stage in wanted:
        *around, _ = ends[stage].name.split("/")
        if around:
            raise ValueError(
                f"A stage must not end inside a nested model; ask for features of {around[0]!r}. "
                f"Received: stage {stage}, which ends with layer {ends[stage].name!r}"
            )
    outputs = [ends[stage].graph_outputs[0] for stage in wanted]
    return connect(model.input, outputs, f"{model.name}_features")


def locate(calls: list[Call]) -> list[Place]:
    """The place of each call."""
    named = [_named_place(call.name.rpartition("/")[2]) for call in calls]
    if any(place and place.block for place in named):
        return _by_name(calls, named)
    return _by_graph(calls)


def role(call: Call) -> str:
    """What the layer is there for: a key of `ROLES`, `shortcut` or `other`."""
    if "_shortcut_" in call.name:
        return "shortcut"
    found = _role_of(_class_names(call.layer))
    return "other" if found == "merge" and len(call.inputs) < 2 else found


@cache
def _role_of(class_names: tuple[str, ...]) -> str:
    for found, pattern in ROLES.items():
        if any(re.fullmatch(pattern, name, re.IGNORECASE) for name in class_names):
            return found
    return "other"


def _class_names(layer: Any) -> tuple[str, ...]:
    """The layer's class and those that it inherits from."""
    return tuple(base.__name__ for base in type(layer).__mro__)


def _named_place(name: str) -> Place | None:
    """What the name of one of our layers says."""
    if match := re.match(r"(?:stage(\d+)_block|block(\d+)_layer)(\d+)_", name):
        return Place(int(match[1] or match[2]), int(match[3]))
    if match := re.match(r"transition(\d+)_", name):
        return Place(int(match[1]) + 1, 0)
    if name.startswith("stem_"):
        return Place(0, 0)
    return HEAD if name.startswith("head_") or name == "predictions" else None


def _by_name(calls: list[Call], named: list[Place | None]) -> list[Place]:
    """Layers with other names come before the stem, or else they are of a head."""
    reached: dict[int, Place] = {}
    for call, place in zip(calls, named, strict=True):
        before = max((reached[id(tensor)] for tensor in call.inputs), default=Place(0, 0))
        place = place or (HEAD if before.stage else before)
        reached |= {id(tensor): place for tensor in call.outputs}
    return [reached[id(call.outputs[0])] for call in calls]


def _by_graph(calls: list[Call]) -> list[Place]:
    """Counts strides and merges along the way."""
    onward = _before_head(calls)
    reached: dict[int, tuple[Place, bool]] = {}  # and whether the block ends there
    for call in calls:
        arriving = [reached[id(tensor)] for tensor in call.inputs]
        place, ended = max(arriving, default=(Place(0, 1), False))
        now = role(call)
        if onward and id(call.outputs[0]) not in onward:
            place = HEAD
        elif _strides(call.layer) > 1:
            place = Place(place.stage + 1, 1)
            ended = False
        elif ended and now != "activation":
            place = Place(place.stage, place.block + 1)
            ended = False
        reached |= {id(tensor): (place, ended or now == "merge") for tensor in call.outputs}
    return [reached[id(call.outputs[0])][0] for call in calls]


def _before_head(calls: list[Call]) -> set[int]:
    """The tensors that have spatial axes or lead to one that has, as a squeeze's weights do."""
    found: set[int] = set()
    for call in reversed(calls):
        if any(len(tensor.shape) > 2 or id(tensor) in found for tensor in call.outputs):
            found |= {id(tensor) for tensor in (*call.inputs, *call.outputs)}
    return found


def _strides(layer: Any) -> int:
    """The largest stride of a convolution or pooling; that of a transposed one widens the map."""
    if any("Transpose" in name for name in _class_names(layer)):
        return 1
    # The operation `keras.ops.max_pool` keeps None for strides as wide as its window.
    return np.max(getattr(layer, "strides", None) or getattr(layer, "pool_size", None) or 1)


def _ends(calls: list[Call], places: list[Place]) -> dict[int, Call]:
    """The call with which each stage ends."""
    members: dict[int, list[Call]] = defaultdict(list)
    for call, place in zip(calls, places, strict=True):
        members[place.stage].append(call)
    uses = Counter(id(tensor) for call in calls for tensor in call.inputs)
    return {stage: _end(members[stage], uses) for stage in sorted(members) if stage != HEAD.stage}


def _end(members: list[Call], uses: Counter[int]) -> Call:
    merges = [call for call in members if role(call) == "merge"]
    if not merges:
        # Padding at the end is for the strides of the next stage.
        return [call for call in members if role(call) != "pad"][-1]
    (merged,) = merges[-1].outputs
    for call in members:
        only_this = uses[id(merged)] == 1 and any(tensor is merged for tensor in call.inputs)
        if only_this and role(call) == "activation":
            return call
    return merges[-1]
