"""The way of the signal through a model: behind which layers a weight lies, at how many positions.

A gradient of a weight is a sum over all positions of its layer's output: the pixels of a map, the
members of a sequence. A shared layer sums over all its calls.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from keras import layers

from keraskip.graph.calls import Call
from keraskip.graph.kernels import links

# The layers that own weights, named as in the paths of the weights.
Names = frozenset[str]


class Way(NamedTuple):
    """The way to a weight.

    Attributes:
        after: the nearest layers with weights before it. A layer that also lies before another
            one of them is left out: behind an addition, only the end of the longer way is named.
        positions: over how many positions of one sample its gradient is a sum; None if unknown, as
            for sequences of any length, and in recurrent layers, which sum over time.
    """

    after: tuple[str, ...]
    positions: int | None


def ways(calls: Sequence[Call]) -> dict[int, Way]:
    """The way to each trainable weight of the layers of these calls, by the weight's id."""
    walker = _Walker()
    walker.follow(calls, frozenset())
    return {
        key: Way(tuple(sorted(walker.after[name])), walker.positions[key])
        for key, name in walker.names.items()
    }


class _Walker:
    """Goes through calls in order, and notes what lies before each layer.

    Attributes:
        after: the nearest layers before each layer, where it is called first.
        names: the layer of each weight, by the weight's id.
        positions: see `Way`, by the weight's id.
    """

    def __init__(self) -> None:
        self.after: dict[str, Names] = {}
        self.names: dict[int, str] = {}
        self.positions: dict[int, int | None] = {}
        self._all_before: dict[str, Names] = {}
        # The layers right before each tensor, by its id.
        self._known: dict[int, Names] = {}

    def follow(self, calls: Sequence[Call], start: Names) -> None:
        """Notes some calls; tensors that come from nowhere lie behind the layers `start`."""
        for call in calls:
            before = self._nearest([self._known.get(id(each), start) for each in call.inputs])
            before = before if call.inputs else start
            behind = self._through(call, before)
            ends = [*call.ends, *[None] * len(call.outputs)]
            for tensor, end in zip(call.outputs, ends, strict=False):
                self._known.setdefault(id(tensor), self._known.get(id(end), behind))

    def _through(self, call: Call, before: Names) -> Names:
        if not call.inside:
            weights = [one for layer in links(call.layer) for one in _trainable(layer)]
            return self._note(call, weights, before)
        own = self._note(call, list(call.layer._trainable_variables), before)
        self.follow(call.inside, own)
        last = [self._known[id(tensor)] for one in call.inside[-1:] for tensor in one.outputs]
        return self._nearest(last) or own

    def _note(self, call: Call, weights: list, before: Names) -> Names:
        """Notes the weights of a call; returns what lies right before its outputs."""
        for weight in weights:
            name = weight.path.rpartition("/")[0]
            self.names.setdefault(id(weight), name)
            self.after.setdefault(name, before - {name})
            earlier = [self._all_before.get(one, frozenset()) for one in before]
            self._all_before.setdefault(name, before.union(*earlier))
            counts = self.positions.get(id(weight), 0), _positions(call, weight, weights)
            self.positions[id(weight)] = None if None in counts else sum(counts)  # type: ignore
        return frozenset(self.names[id(weight)] for weight in weights) or before

    def _nearest(self, sources: Sequence[Names]) -> Names:
        """All these layers but those that lie before another one of them."""
        joined = frozenset().union(*sources)
        if len(joined) < 2:
            return joined
        return joined.difference(*(self._all_before.get(one, frozenset()) for one in joined))


def _trainable(layer: Any) -> list:
    return list(getattr(layer, "trainable_variables", []))


def _positions(call: Call, weight: Any, weights: list) -> int | None:
    """The number of positions of one sample in the output of a call.

    They are the elements of the output over its channels. A bias has one element for each channel.
    """
    shapes = [tuple(getattr(tensor, "shape", ())) for tensor in call.outputs]
    if isinstance(call.layer, layers.RNN) or not shapes or None in shapes[0][1:]:
        return None
    vector = next((each for each in [weight, *weights] if _is_vector(each)), None)
    if vector is not None:
        channels = math.prod(vector.shape)
    else:
        channels = shapes[0][1 if _has_channels_first(call.layer) else -1]
    elements = math.prod(shapes[0][1:])
    return elements // channels if channels and elements % channels == 0 else None


def _has_channels_first(layer: Any) -> bool:
    return getattr(layer, "data_format", None) == "channels_first"


def _is_vector(weight: Any) -> bool:
    """Whether a weight has one element for each channel of its layer's output."""
    return weight.path.rpartition("/")[2] in ("bias", "beta", "gamma")
