"""How deep calls and weights lie, by the definition at the top of `keraskip.graph`."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras

from keraskip.graph.calls import Call
from keraskip.graph.kernels import has_kernel, holds_kernel, links


class Depths(NamedTuple):
    """How deep calls and weights lie.

    Attributes:
        calls: the depth of each call.
        weights: the depth of each variable, by its id.
    """

    calls: list[int]
    weights: dict[int, int]


def depths(calls: Sequence[Call]) -> Depths:
    """How deep each of these calls lies, and each weight of their layers."""
    weights: dict[int, int] = {}
    return Depths(_measured(calls, 0, {}, weights), weights)


def depths_as_made(model: keras.Model) -> dict[int, int]:
    """The depth of each weight, by its id, as if layers followed each other as they were made."""
    weights: dict[int, int] = {}
    depth = 0
    for layer in model._flatten_layers():
        depth = _through([layer], depth, weights, inside=False)
    return weights


def _measured(
    calls: Sequence[Call], start: int, reached: dict[int, int], weights: dict[int, int]
) -> list[int]:
    """The depth of each call.

    Args:
        calls: in order.
        start: the depth of tensors that come from nowhere.
        reached: the depths of tensors by their ids; the outputs are added.
        weights: the depths of variables by their ids; the variables of the layers are added.
    """
    by_call = []
    for call in calls:
        depth = max((reached.get(id(tensor), start) for tensor in call.inputs), default=start)
        if _calls_kernels(call):
            depth = _through([call.layer], depth, weights, inside=False)
            depth = max(depth, *_measured(call.inside, depth, reached, weights))
        else:
            depth = _through(links(call.layer), depth, weights)
        ends = [*call.ends, *[None] * len(call.outputs)]
        for tensor, end in zip(call.outputs, ends, strict=False):
            # A tensor that went in, or came out of a call inside, has its depth already.
            reached.setdefault(id(tensor), reached.get(id(end), depth))
        by_call.append(depth)
    return by_call


def _calls_kernels(call: Call) -> bool:
    """Whether layers inside are called; a layer may use nothing but their weights."""
    return any(has_kernel(inner.layer) or _calls_kernels(inner) for inner in call.inside)


def _through(
    layers: Sequence[Any], depth: int, weights: dict[int, int], inside: bool = True
) -> int:
    """The depth behind some layers in a row; notes the depths of their weights.

    Args:
        layers: in a row.
        depth: the depth before them.
        weights: see `_measured`.
        inside: whether the weights of layers inside of these are theirs, too.
    """
    for layer in layers:
        depth += holds_kernel(layer) if inside else has_kernel(layer)
        own = getattr(layer, "variables", []) if inside else _own_variables(layer)
        for variable in own:
            weights.setdefault(id(variable), depth)
    return depth


def _own_variables(layer: Any) -> list:
    return [*layer._trainable_variables, *layer._non_trainable_variables]
