"""Passes through a model's graph, call by call, and their gradients on each backend."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
from keras import layers, ops

from keraskip.callbacks.hook.probe_sites import RECURRENT
from keraskip.graph import walk
from keraskip.graph.walk import Visit


class Seen(NamedTuple):
    """The inputs of a call, and its outputs.

    Attributes:
        inputs: the tensors it was made on; the first one of a recurrent layer is its sequence.
        outputs: the tensors that came out.
        mask: the time steps that a recurrent layer uses of each sample [batch, time]; None for all.
    """

    inputs: list
    outputs: list
    mask: Any


class Shifts(NamedTuple):
    """Tensors to add in a pass, with respect to which there are gradients then.

    Attributes:
        inputs: what stands for inputs of the model, by their index.
        outputs: for the outputs of a call, by its number and by their index.
        sequences: for the sequence that a recurrent layer is called on, by the call's number.
    """

    inputs: dict[int, Any]
    outputs: dict[int, dict[int, Any]]
    sequences: dict[int, Any]


class _Pass(layers.Layer):
    """A pass through a graph. A layer, because Keras collects losses in the outermost call."""

    def __init__(self, graph: keras.Function, visit: Visit) -> None:
        super().__init__(autocast=False)
        self._graph, self._visit = graph, visit

    def call(self, tensors: list) -> list:
        return walk(self._graph, tensors, self._visit)


class _Shifted(layers.Layer):
    """Adds to a tensor. A layer, because layers hand on masks, and `+` loses them.

    Attributes:
        mask: the mask of the tensor.
    """

    def __init__(self, by: Any) -> None:
        super().__init__(autocast=False)
        self.supports_masking = True
        self._by = by

    def call(self, tensor: Any, mask: Any = None) -> Any:
        self.mask = mask
        return tensor + self._by


def forward(
    graph: keras.Function, tensors: Sequence[Any], shifts: Shifts
) -> tuple[Any, list[Seen]]:
    """A pass as in training.

    The caller opens a `keras.StatelessScope`, which keeps changes of variables, such as moving
    averages, from the model.

    Args:
        graph: the model.
        tensors: its inputs.
        shifts: what to add on the way.

    Returns:
        The outputs in the model's structure, and what each call saw.
    """
    seen: list[Seen] = []

    def visit(_: str, node: Any, known: dict) -> list:
        if node.is_input:
            seen.append(Seen([], [known[id(tensor)] for tensor in node.outputs], None))
        else:
            number = len(seen)
            moves, by = shifts.outputs.get(number, {}), shifts.sequences.get(number, 0.0)
            args, kwargs = node.arguments.fill_in(known)
            seen.append(_called(node.operation, args, kwargs, moves, by))
        return seen[-1].outputs

    tensors = [shifts.inputs.get(index, tensor) for index, tensor in enumerate(tensors)]
    return packed(graph._outputs_struct, _Pass(graph, visit)(tensors)), seen


def packed(structure: Any, tensors: Sequence[Any]) -> Any:
    """Tensors in a structure; a single one by itself, as Keras hands it to a loss."""
    nest = keras.tree.pack_sequence_as(structure, tensors)
    return nest[0] if isinstance(nest, list | tuple) and len(nest) == 1 else nest


def _called(
    layer: Any, args: tuple, kwargs: dict[str, Any], moves: dict[int, Any], by: Any
) -> Seen:
    """Calls a layer; adds `moves` to its outputs, and `by` to the sequence of a recurrent one."""
    mask = None
    if "training" in getattr(layer, "_call_context_args", ()):
        kwargs = {**kwargs, "training": True}
    if isinstance(layer, RECURRENT):
        shifted, kwargs = _Shifted(by), dict(kwargs)
        sequence, *rest = args or (kwargs.pop("sequences"),)
        args = (shifted(sequence), *rest)
        mask = shifted.mask if kwargs.get("mask") is None else kwargs["mask"]
    outputs = keras.tree.flatten(layer(*args, **kwargs))
    outputs = [
        _Shifted(moves[index])(output) if index in moves else output
        for index, output in enumerate(outputs)
    ]
    inputs = [each for each in keras.tree.flatten((args, kwargs)) if ops.is_tensor(each)]
    return Seen(inputs, outputs, mask)


def gradients(loss: Callable[[Shifts], Any], shifts: Shifts) -> Shifts:
    """The gradient of a loss with respect to each tensor of the shifts; 0 where it has none."""
    flat = keras.tree.flatten(tuple(shifts))

    def value(tensors: list) -> Any:
        return loss(Shifts(*keras.tree.pack_sequence_as(tuple(shifts), tensors)))

    found = GRADIENTS[keras.backend.backend()](value, flat) if flat else []
    return Shifts(*keras.tree.pack_sequence_as(tuple(shifts), found))


def _tensorflow_gradients(loss: Callable, tensors: list) -> list:
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(tensors)
        value = loss(tensors)
    return tape.gradient(value, tensors, unconnected_gradients="zero")


def _jax_gradients(loss: Callable, tensors: list) -> list:
    import jax

    return jax.grad(loss)(tensors)


def _torch_gradients(loss: Callable, tensors: list) -> list:
    import torch

    tensors = [tensor.detach().requires_grad_() for tensor in tensors]
    gradients = torch.autograd.grad(loss(tensors), tensors, allow_unused=True)
    return [
        torch.zeros_like(tensor) if gradient is None else gradient
        for tensor, gradient in zip(tensors, gradients, strict=True)
    ]


GRADIENTS = {
    "tensorflow": _tensorflow_gradients,
    "jax": _jax_gradients,
    "torch": _torch_gradients,
}
