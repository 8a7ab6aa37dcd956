"""What each layer of a functional model takes, gives and costs, read off its graph."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import keras
from keras import layers

from keraskip.models.recompute import RecomputedConvolutions

DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
SEPARABLE = (layers.SeparableConv1D, layers.SeparableConv2D)
TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
CONVOLUTIONS = (layers.Conv1D, layers.Conv2D, layers.Conv3D, *DEPTHWISE, *SEPARABLE, *TRANSPOSED)
# Their weights, which may have many axes, scale single elements or are looked up.
WITHOUT_KERNELS = (
    layers.BatchNormalization,
    layers.GroupNormalization,
    layers.LayerNormalization,
    layers.RMSNormalization,
    layers.Normalization,
    layers.PReLU,
    layers.Embedding,
)


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer, or of an operation such as `x + y`.

    Attributes:
        name: name of the layer, after the names of the models that it is nested in.
        layer: the layer.
        inputs: what it was called on, symbolic tensors that say shape and type.
        outputs: what came out. Where two calls meet, they hold the same tensor.
        graph_outputs: the tensors of the graph that these stand for.
        training: the mode to which the graph holds the layer, if it does.
    """

    name: str
    layer: Any
    inputs: list
    outputs: list
    graph_outputs: list
    training: bool | None = None

    @cached_property
    def macs(self) -> int | None:
        """Multiply-accumulates for one image: convolutions and dense layers, 0 for all others.

        Zeros that padding adds count too. None for a layer that has kernels but is neither.
        """
        layer = self.layer
        if isinstance(layer, RecomputedConvolutions):
            shapes = [composite.conv.kernel.shape for composite in layer.composites]
            return elements(self.outputs) // shapes[-1][-1] * sum(map(prod, shapes))
        if isinstance(layer, TRANSPOSED):
            # The kernel's last axes are outputs, inputs: each input meets all the others.
            return elements(self.inputs) * prod(layer.kernel.shape[:-1])
        if isinstance(layer, DEPTHWISE):
            return elements(self.outputs) * prod(layer.kernel.shape[:-2])
        if isinstance(layer, SEPARABLE):
            positions = elements(self.outputs) // layer.filters
            kernels = (layer.depthwise_kernel, layer.pointwise_kernel)
            return positions * sum(prod(kernel.shape) for kernel in kernels)
        if isinstance(layer, (*CONVOLUTIONS, layers.Dense)):
            return elements(self.outputs) * prod(layer.kernel.shape[:-1])
        return None if self._has_kernel else 0

    @property
    def depth(self) -> int:
        """How many layers with kernels the call stands for."""
        if isinstance(self.layer, RecomputedConvolutions):
            return len(self.layer.composites)
        return int(self.macs != 0)

    @property
    def activation_bytes(self) -> int:
        """Size of the output for one image."""
        return sum(elements([tensor]) * _bits(tensor.dtype) // 8 for tensor in self.outputs)

    @property
    def _has_kernel(self) -> bool:
        weights = getattr(self.layer, "weights", [])
        many_axes = any(len(weight.shape) > 1 for weight in weights)
        return many_axes and not isinstance(self.layer, WITHOUT_KERNELS)


def trace(model: keras.Model, input_shape: tuple | None = None) -> list[Call]:
    """All layer calls of a model in the order of its graph, those of nested models in their place.

    Args:
        model: a functional model, or a Sequential one that knows its input shape.
        input_shape: shape of one image, to fill in what the model's input leaves open.

    Raises:
        TypeError: for a model without a graph.
        ValueError: for an input shape that does not fit the model.
    """
    _check_graph(model)
    shapes = [tensor.shape for tensor in model.inputs]
    if input_shape is not None:
        if len(shapes) != 1 or not _fits(tuple(input_shape), shapes[0][1:]):
            raise ValueError(
                "input_shape must fit the one input of the model. Received: "
                f"input_shape={tuple(input_shape)} for {[shape[1:] for shape in shapes]}"
            )
        shapes = [(shapes[0][0], *input_shape)]
    tensors = [
        keras.KerasTensor(shape, dtype=tensor.dtype)
        for shape, tensor in zip(shapes, model.inputs, strict=True)
    ]
    calls, _ = _traced(model, tensors)
    return calls


def uses(model: keras.Model) -> tuple[list[Call], Counter[int]]:
    """The calls of `trace`, and how often each of their tensors is used, by its id.

    To leave the model is a use too. Raises TypeError for a model without a graph.
    """
    _check_graph(model)
    tensors = [keras.KerasTensor(tensor.shape, dtype=tensor.dtype) for tensor in model.inputs]
    calls, outputs = _traced(model, tensors)
    used = [*outputs, *(tensor for call in calls for tensor in call.inputs)]
    return calls, Counter(map(id, used))


def count_depths(calls: list[Call]) -> list[int]:
    """For each call, the layers with kernels on the longest way from the input through it."""
    reached: dict[int, int] = {}
    depths = []
    for call in calls:
        before = max((reached[id(tensor)] for tensor in call.inputs), default=0)
        depths.append(before + call.depth)
        reached |= {id(tensor): depths[-1] for tensor in call.outputs}
    return depths


def elements(tensors: list) -> int:
    """How many numbers the tensors hold for one image."""
    return sum(prod(tensor.shape[1:]) for tensor in tensors)


def has_graph(model: Any) -> bool:
    """Whether the model is functional, or Sequential with a known input, and does what it says."""
    kind = isinstance(model, keras.Function | keras.Sequential) and hasattr(model, "inputs")
    # One that overrides `call` does something else.
    return kind and type(model).call.__module__.startswith("keras.")


def _check_graph(model: Any) -> None:
    if not has_graph(model):
        raise TypeError(
            "model must be functional, or Sequential with an Input. Received: model of class "
            f"{type(model).__name__}, which has no graph of layers. For a subclassed model try "
            "keras.Model(inputs, model.call(inputs)), for a Sequential one model.build(shape)"
        )


def _fits(given: tuple, known: tuple) -> bool:
    return len(given) == len(known) and all(
        size in (None, side) for side, size in zip(given, known, strict=True)
    )


def walk(
    model: Any, tensors: list, visit: Callable[[str, Any, dict], list], path: str = ""
) -> list:
    """Goes through the graph of a model, and of those nested in it, from these tensors on.

    Args:
        model: a model with a graph.
        tensors: what stands for its inputs.
        visit: called with the name of each layer, after those of the models around it, with
            Keras' node for the call and with the tensors so far by the ids of those in the graph;
            it returns what stands for the outputs.
        path: the names of the models around.

    Returns:
        What stands for the model's outputs.
    """
    graph = (
        model if isinstance(model, keras.Function) else keras.Function(model.inputs, model.outputs)
    )
    known = dict(zip(map(id, graph.inputs), tensors, strict=True))
    for node in _nodes(graph):
        layer = node.operation
        if has_graph(layer):
            inputs = [known[id(tensor)] for tensor in node.input_tensors]
            outputs = walk(layer, inputs, visit, f"{path}{layer.name}/")
        elif node.is_input and path:
            continue  # A nested model works on the tensors that it was called on.
        else:
            outputs = visit(path + layer.name, node, known)
        known |= zip(map(id, node.outputs), outputs, strict=True)
    return [known[id(tensor)] for tensor in graph.outputs]


def _traced(model: Any, tensors: list) -> tuple[list[Call], list]:
    """The calls of a model on these tensors, and what comes out.

    Only shapes and types are computed, and the layers do not get to know of it.
    """
    calls: list[Call] = []

    def visit(name: str, node: Any, known: dict) -> list:
        inputs = [known[id(tensor)] for tensor in node.input_tensors]
        outputs = _outputs(node, known)
        training = node.arguments.kwargs.get("training")
        calls.append(Call(name, node.operation, inputs, outputs, node.outputs, training))
        return outputs

    return calls, walk(model, tensors, visit)


def _nodes(graph: keras.Function) -> list:
    """The calls that Keras keeps, in the order in which it lists the layers."""
    order = {id(layer): index for index, layer in enumerate(graph.operations)}
    by_distance = sorted(graph._nodes_by_depth.items(), reverse=True)
    return [
        node
        for _, nodes in by_distance
        for node in sorted(nodes, key=lambda node: order[id(node.operation)])
    ]


def _outputs(node: Any, known: dict) -> list:
    if node.is_input:
        return [known[id(tensor)] for tensor in node.outputs]
    args, kwargs = node.arguments.fill_in(known)
    return keras.tree.flatten(node.operation.compute_output_spec(*args, **kwargs))


def _bits(dtype: str) -> int:
    """Bits of one number: `float8_e4m3fn` has 8, `bool` takes 8."""
    digits = re.search(r"\d+", dtype)
    return int(digits[0]) if digits else 8
