"""The position of a layer in its network: stage, block and role.

In the networks of this package the layers' names give it. The stem is stage 0. A dense block is a
stage whose layers are the blocks. A transition opens the next stage as its block 0. The head is in
no stage.

In any other network the graph gives it. The stage is the number of convolutions or poolings with
strides on the way from the input: the C2 to C5 of detection networks are stages 2 to 5 of a
ResNet-50. A merge of paths, by addition or concatenation, ends a block, along with an activation
right after it. All layers after the last one with spatial axes are the head.
"""

import re
import sys
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from keraskip.graph import Call

# Patterns for the names of a layer's class and its base classes: Keras' layers and operations.
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


class Position(NamedTuple):
    """Stage and block of a layer, in the order of the network."""

    stage: int
    block: int


# The layer with which each network of this package begins.
FIRST_LAYER = "stem_conv"
# After all stages.
HEAD = Position(sys.maxsize, 0)


def positions_of(calls: list[Call]) -> list[Position]:
    """Stage and block of each call."""
    names = [call.name.rpartition("/")[2] for call in calls]
    # The text that the builders were told to put in front, the longest first.
    ours = {name.removesuffix(FIRST_LAYER) for name in names if name.endswith(FIRST_LAYER)}
    prefixes = sorted(ours, key=len, reverse=True)
    named = [_position_in_name(_without(prefixes, name)) for name in names]
    if any(position and position.block for position in named):
        return _by_name(calls, named)
    return _by_graph(calls)


def role(call: Call) -> str:
    """The purpose of the layer: a key of `ROLES`, `shortcut` or `other`."""
    if "_shortcut_" in call.name:
        return "shortcut"
    by_class = _role_of(_class_names(call.layer))
    return "other" if by_class == "merge" and len(call.inputs) < 2 else by_class


@cache
def _role_of(class_names: tuple[str, ...]) -> str:
    for name_of_role, pattern in ROLES.items():
        if any(re.fullmatch(pattern, name, re.IGNORECASE) for name in class_names):
            return name_of_role
    return "other"


def _class_names(layer: Any) -> tuple[str, ...]:
    """The layer's class and those that it inherits from."""
    return tuple(base.__name__ for base in type(layer).__mro__)


def _without(prefixes: list[str], name: str) -> str:
    """The name without the prefix that it begins with."""
    prefix = next((prefix for prefix in prefixes if name.startswith(prefix)), "")
    return name.removeprefix(prefix)


def _position_in_name(name: str) -> Position | None:
    """The position in the name of a layer of this package, if it has one."""
    if match := re.match(r"(?:stage(\d+)_block|block(\d+)_layer)(\d+)_", name):
        return Position(int(match[1] or match[2]), int(match[3]))
    if match := re.match(r"transition(\d+)_", name):
        return Position(int(match[1]) + 1, 0)
    if name.startswith("stem_"):
        return Position(0, 0)
    return HEAD if name.startswith("head_") or name == "predictions" else None


def _by_name(calls: list[Call], named: list[Position | None]) -> list[Position]:
    """Layers with other names belong to the input side of the stem, or to a head."""
    reached: dict[int, Position] = {}
    for call, position in zip(calls, named, strict=True):
        before = max((reached[id(tensor)] for tensor in call.inputs), default=Position(0, 0))
        position = position or (HEAD if before.stage else before)
        reached |= {id(tensor): position for tensor in call.outputs}
    return [reached[id(call.outputs[0])] for call in calls]


def _by_graph(calls: list[Call]) -> list[Position]:
    """Counts strides and merges along the way."""
    onward = _before_head(calls)
    reached: dict[int, tuple[Position, bool]] = {}  # and whether the block ends there
    for call in calls:
        arriving = [reached[id(tensor)] for tensor in call.inputs]
        position, ended = max(arriving, default=(Position(0, 1), False))
        now = role(call)
        if onward and id(call.outputs[0]) not in onward:
            position = HEAD
        elif _strides(call.layer) > 1:
            position = Position(position.stage + 1, 1)
            ended = False
        elif ended and now != "activation":
            position = Position(position.stage, position.block + 1)
            ended = False
        reached |= {id(tensor): (position, ended or now == "merge") for tensor in call.outputs}
    return [reached[id(call.outputs[0])][0] for call in calls]


def _before_head(calls: list[Call]) -> set[int]:
    """The tensors that have spatial axes or lead to one that has, as a squeeze's weights do."""
    onward: set[int] = set()
    for call in reversed(calls):
        if any(len(tensor.shape) > 2 or id(tensor) in onward for tensor in call.outputs):
            onward |= {id(tensor) for tensor in (*call.inputs, *call.outputs)}
    return onward


def _strides(layer: Any) -> int:
    """The largest stride of a convolution or pooling; a transposed one widens the map by it."""
    if any("Transpose" in name for name in _class_names(layer)):
        return 1
    # The operation `keras.ops.max_pool` keeps None for strides as wide as its window.
    return np.max(getattr(layer, "strides", None) or getattr(layer, "pool_size", None) or 1)
