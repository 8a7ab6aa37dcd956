"""Copies a model with skips in its graph. Names, nested models and initial values stay."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from keraskip.graph import has_graph, nodes
from keraskip.models.copies import copied, finalize
from keraskip.models.joining import merged
from keraskip.models.large_graphs import connect
from keraskip.models.own_classes import check_nothing_is_lost, of_own_class
from keraskip.models.stretches import Stretch, Wish


class Copier:
    """Copies models, and each layer once.

    Args:
        skips: the stretches with a skip, by the id of the tensor to which it is added.
        wish: what is asked for.
    """

    def __init__(self, skips: dict[int, Stretch], wish: Wish) -> None:
        self.skips, self.wish = skips, wish
        self._copies: dict[int, tuple[Any, Any]] = {}

    def model(self, model: Any) -> keras.Model:
        """The copy of a model with a graph."""
        calls = nodes(model)
        unique = _namer({node.operation.name for node in calls})
        known: dict[int, Any] = {}
        for node in calls:
            if node.is_input:
                copy = type(node.operation).from_config(node.operation.get_config())
                known[id(node.outputs[0])] = copy.output
                continue
            copy, (args, kwargs) = self._layer(node.operation), node.arguments.fill_in(known)
            outputs = keras.tree.flatten(copy(*args, **kwargs))
            for tensor, output in zip(node.outputs, outputs, strict=True):
                skip = self.skips.get(id(tensor))
                if skip:
                    output = merged(known[id(skip.start)], output, skip, self.wish, unique)
                known[id(tensor)] = output
        if isinstance(model, keras.Sequential) and not self.skips.keys() & known.keys():
            first = known[id(model.inputs[0])]._keras_history.operation
            rest = [self._layer(layer) for layer in model.layers]
            new = of_own_class(model, [first, *rest])
            # Its `__init__` may have made layers of its own.
            if not new or list(map(id, new.layers)) != list(map(id, rest)):
                check_nothing_is_lost(model)
                new = keras.Sequential([first, *rest], name=model.name)
            return _set_up(new, model)
        return _set_up(_connected(model, known), model)

    def take_values(self) -> None:
        """Gives the copies the values of all variables, random states included, and their paths."""
        for layer, copy in self._copies.values():
            if has_graph(layer) or not getattr(layer, "variables", None):
                continue
            for new, old in _pairs(copy, layer):
                new.assign(_value_for(new, old))
                # Keras makes a path of the models and layers around when it makes the variable.
                new._path = old.path
            finalize(copy)

    def _layer(self, layer: Any) -> Any:
        """The copy of a layer, which may be a model."""
        if id(layer) not in self._copies:
            copy = self.model(layer) if has_graph(layer) else copied(layer, layer.name)
            # The layer is kept, so that no other one gets its id.
            self._copies[id(layer)] = layer, copy
        return self._copies[id(layer)][1]


def _namer(taken: set[str]) -> Callable[[str], str]:
    """Makes names unique among those that are taken."""

    def unique(name: str) -> str:
        number, tried = 1, name
        while tried in taken:
            number += 1
            tried = f"{name}_{number}"
        taken.add(tried)
        return tried

    return unique


def _pairs(copy: Any, layer: Any) -> Iterator[tuple[Any, Any]]:
    """Each variable of a copy with the layer's: by order, unless names tell of another one.

    A layer that was quantized to float8 has made its variables in another order than a copy does.
    """
    new, old = (
        {_own_path(each, layer.name): each for each in one.variables} for one in (copy, layer)
    )
    if len(new) == len(copy.variables) and new.keys() == old.keys():
        return ((variable, old[path]) for path, variable in new.items())
    return zip(copy.variables, layer.variables, strict=True)


def _own_path(variable: Any, name: str) -> str:
    """The path of a variable below the layer of a name."""
    return variable.path.rpartition(f"{name}/")[2]


def _value_for(new: Any, old: Any) -> np.ndarray:
    """The old values; in a wider variable behind new ones, as the branch is behind the skip.

    A copy, since JAX gives the memory of a trained variable away.
    """
    values = np.array(keras.ops.convert_to_numpy(new.value))
    pairs = zip(new.shape, old.shape, strict=True)
    kept = tuple(slice(now - before, now) for now, before in pairs)
    values[kept] = keras.ops.convert_to_numpy(old.value)
    return values


def _connected(model: Any, known: dict[int, Any]) -> keras.Model:
    """The model between the copies of its inputs and outputs, of the same class if it can be."""
    inputs = [known[id(tensor)] for tensor in model.inputs]
    outputs = [known[id(tensor)] for tensor in model.outputs]
    if isinstance(model, keras.Sequential):
        # One with a skip is no sequence.
        ends, new = (inputs[0], outputs[0]), None
    else:
        packed = keras.tree.pack_sequence_as
        ends = packed(model.input, inputs), packed(model.output, outputs)
        new = of_own_class(model, *ends)
    if new and list(map(id, new.outputs)) == list(map(id, outputs)):
        return new
    check_nothing_is_lost(model)
    return connect(*ends, model.name)


def _set_up(new: keras.Model, model: keras.Model) -> keras.Model:
    """The new model with the settings of the old one that lie outside of its layers."""
    # By it `compile` knows whether to scale the loss.
    new.dtype_policy = model.dtype_policy
    if not model.trainable:
        new.trainable = False
    return new
