"""Watches which layers a layer calls, where its `call` refuses Keras' symbolic tensors."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras

_ONE_AT_A_TIME = threading.Lock()


@dataclass
class Watched:
    """A call as it was made.

    Attributes:
        layer: the layer.
        inputs: the tensors it was called on.
        outputs: the tensors that came out.
        inside: the calls that it made.
    """

    layer: Any
    inputs: list
    outputs: list = field(default_factory=list)
    inside: "list[Watched]" = field(default_factory=list)


class Watcher(keras.Operation):
    """Stands for a layer while Keras computes the shapes of its outputs.

    Attributes:
        call_made: the call of the layer, on tensors of the backend.
    """

    def __init__(self, layer: Any) -> None:
        super().__init__(name=f"watched_{layer.name}")
        self._layer = layer

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Returns the outputs of the layer's own `call`."""
        self.call_made = Watched(self._layer, tensors_of((args, kwargs)))
        with _ONE_AT_A_TIME, _watched_layers(self.call_made):
            outputs = self._layer.call(*args, **kwargs)
        self.call_made.outputs = tensors_of(outputs)
        return outputs


def tensors_of(structure: Any) -> list:
    """The tensors in a nested structure, of Keras and of the backend."""
    return [
        each
        for each in keras.tree.flatten(structure)
        if isinstance(each, keras.KerasTensor) or keras.ops.is_tensor(each)
    ]


@contextmanager
def _watched_layers(outermost: Watched) -> Iterator[None]:
    """Appends to `inside` of a call all calls of layers that are made until the end."""
    stack = [outermost]
    thread, original = threading.get_ident(), keras.layers.Layer.__call__

    def watched_call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if threading.get_ident() != thread:
            return original(layer, *args, **kwargs)
        call = Watched(layer, tensors_of((args, kwargs)))
        stack[-1].inside.append(call)
        stack.append(call)
        try:
            outputs = original(layer, *args, **kwargs)
        finally:
            stack.pop()
        call.outputs = tensors_of(outputs)
        return outputs

    keras.layers.Layer.__call__ = watched_call
    try:
        yield
    finally:
        keras.layers.Layer.__call__ = original
