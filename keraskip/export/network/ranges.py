"""Which whole numbers the inputs of a network may be: its layers look them up."""

from collections.abc import Iterator, Sequence
from typing import Any

import keras

from keraskip.graph import has_graph, trace

# Layers and operations whose outputs have the values of their inputs, in another form.
KEEPING = {
    "Cast", "Concatenate", "Dropout", "ExpandDims", "Flatten", "GetItem", "Identity", "Permute",
    "RepeatVector", "Reshape", "Squeeze", "Stack", "Transpose",
}  # fmt: skip


def limits(model: keras.Model, count: int) -> list[int | None]:
    """For each input the first whole number that a layer cannot look up; None without such a layer.

    A model without a graph does not tell which input goes where, so there the smallest limit holds
    for all `count` inputs.
    """
    if not has_graph(model):
        return [min(_limits_in(model), default=None)] * count
    sources: dict[int, set[int]] = {}
    found: dict[int, list[int]] = {index: [] for index in range(count)}
    own = {id(tensor): index for index, tensor in enumerate(model.inputs)}
    for call in trace(model):
        origins = set().union(*(sources.get(id(tensor), set()) for tensor in call.inputs))
        for tensor, given in zip(call.outputs, call.graph_outputs, strict=False):
            if not call.inputs and id(given) in own:
                sources[id(tensor)] = {own[id(given)]}
            elif type(call.layer).__name__ in KEEPING:
                sources[id(tensor)] = origins
        for index in origins:
            found[index] += _limits_in(call.layer)
    return [min(numbers, default=None) for numbers in found.values()]


def _limits_in(layer: Any) -> Iterator[int]:
    inner: Sequence[Any] = layer._flatten_layers() if hasattr(layer, "_flatten_layers") else ()
    for each in inner:
        if isinstance(each, keras.layers.Embedding):
            yield each.input_dim
        elif isinstance(each, keras.layers.CategoryEncoding):
            yield each.num_tokens
