"""Where a probe looks: each call of a layer in a model's graph, with its name and depth."""

from collections import Counter
from dataclasses import dataclass
from itertools import count
from typing import Any

import keras
from keras import layers

from keraskip.graph import Call, depths, trace, walk

RECURRENT = (layers.RNN, layers.Bidirectional)


@dataclass(frozen=True)
class Site:
    """A call of a layer, or of an operation such as `x + y`.

    Attributes:
        name: name of the layer, behind the names of the models around it; from the second call of a
            layer on with the number of the call, such as `"tower/dense (2)"`.
        layer: the layer.
        depth: see `keraskip.graph`.
        inputs: the depth of each floating tensor that the layer was called on.
        is_merge: whether two paths meet here.
        is_end: whether an output of the call is an output of the model.
    """

    name: str
    layer: Any
    depth: int
    inputs: list[int]
    is_merge: bool
    is_end: bool

    @property
    def is_boundary(self) -> bool:
        """Whether a layer with a kernel ends here, or paths merge, within the model."""
        is_deeper = self.depth > max(self.inputs, default=0)
        return (is_deeper or self.is_merge) and not self.is_end

    @property
    def is_recurrent(self) -> bool:
        """Whether the layer goes through time."""
        return isinstance(self.layer, RECURRENT)

    @property
    def is_addition(self) -> bool:
        """Whether a branch is added to a shortcut."""
        return type(self.layer).__name__ == "Add" and len(self.inputs) == 2

    @property
    def is_relu(self) -> bool:
        """Whether a ReLU makes the output."""
        kind = getattr(getattr(self.layer, "activation", self.layer), "__name__", "")
        return kind == "relu" or type(self.layer).__name__ in ("ReLU", "Relu")


def sites_of(graph: keras.Function) -> list[Site]:
    """The calls of a model in the order in which `keraskip.graph.walk` visits them."""
    calls = trace(graph)
    levels = depths(calls).calls
    depth_of: dict[int, int] = {}
    for call, level in zip(calls, levels, strict=True):
        for tensor in call.outputs:
            depth_of.setdefault(id(tensor), level)
    names, ends = _unique([call.name for call in calls]), _ends(graph)
    return [
        _site(name, call, level, depth_of, number in ends)
        for number, (name, call, level) in enumerate(zip(names, calls, levels, strict=True))
    ]


def is_floating(tensor: Any) -> bool:
    """Whether a tensor, symbolic or real, holds numbers of floating point."""
    return keras.backend.is_float_dtype(keras.backend.standardize_dtype(tensor.dtype))


def _site(name: str, call: Call, depth: int, depth_of: dict[int, int], is_end: bool) -> Site:
    # A mask is a tensor, too, but no path of a gradient.
    inputs = [tensor for tensor in call.inputs if is_floating(tensor)]
    is_merge = len({id(tensor) for tensor in inputs}) > 1
    levels = [depth_of.get(id(tensor), 0) for tensor in inputs]
    return Site(name, call.layer, depth, levels, is_merge, is_end)


def _unique(names: list[str]) -> list[str]:
    """The names, each from its second time on with a number."""
    times: Counter[str] = Counter()
    unique = []
    for name in names:
        times[name] += 1
        unique.append(name if times[name] == 1 else f"{name} ({times[name]})")
    return unique


def _ends(graph: keras.Function) -> set[int | None]:
    """The numbers of the calls whose outputs leave the model."""
    numbers = count()

    def visit(_: str, node: Any, __: dict) -> list:
        return [next(numbers)] * len(node.outputs)

    return set(walk(graph, [None] * len(graph.inputs), visit))
