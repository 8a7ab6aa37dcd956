"""A look into a model between epochs, by passes outside of the training step."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keraskip.callbacks.step.optimizers import loss_scale
from keraskip.graph import depths as depths_of
from keraskip.graph import trace

# How far the samples move for `shattering`, in standard deviations of their values.
NEARBY = 0.01


class Probe:
    """Looks at a functional model on a fixed batch; changes nothing in it.

    The passes are as in training: batch normalisation uses the batch, and the loss is the one given
    to `compile`. Unknown values, such as the correlation of gradients that are 0, are NaN.

    Args:
        x: samples `[batch, ...]`.
        y: their labels.
    """

    def __init__(self, x: Any, y: Any) -> None:
        self._x, self._y = np.asarray(x), np.asarray(y)

    def check(self, model: keras.Model) -> None:
        """A ValueError or TypeError for a model that cannot be looked into."""
        graph = _graph(model)
        _known_depths(graph)
        kinds = [tensor.dtype for tensor in graph.inputs]
        if len(kinds) != 1 or "float" not in kinds[0]:
            raise ValueError(
                "probe needs a model with one input of floating point. "
                f"Received: model {model.name!r} with inputs of {kinds}"
            )

    def look(self, model: keras.Model) -> list[dict[str, Any]]:
        """The probes of the model as it is now: rows with `probe`, `layer`, `depth` and `value`.

        The probes are:

        `signal`: for each layer with a kernel and each merge of paths, in the order of the graph,
        the L2 norm of the gradient of the loss with respect to its output.

        `branch_share`: for each addition of a branch to a shortcut, the variance of the branch over
        the variance of the shortcut (De & Smith 2020, arXiv 2002.10444).

        `dead`: for each ReLU, the share of its channels that are 0 for all samples and positions.

        `shattering`: the correlation of the gradients with respect to the samples here and a
        hundredth of a standard deviation away, mean over the samples (Balduzzi et al. 2017, arXiv
        1702.08591): 1 where the gradient is smooth, 0 where it is noise.
        """
        graph = _graph(model)
        depths = _known_depths(graph)
        x = self._x.astype(graph.inputs[0].dtype)
        noise = np.random.default_rng(0).standard_normal(x.shape)
        nearby = (x + NEARBY * x.std() * noise).astype(x.dtype)
        _, seen = self._forward(graph, ops.convert_to_tensor(x), {})
        boundaries = [each for each in graph.operations if _is_boundary(each, depths, graph)]
        here = self._gradients(model, graph, x, seen, [each.name for each in boundaries])
        there = self._gradients(model, graph, nearby, seen, [])
        signal = [
            _row("signal", operation, depths, float(np.linalg.norm(gradient.astype(float))))
            for operation, gradient in zip(boundaries, here[1:], strict=True)
        ]
        shattering = _row(
            "shattering", graph.operations[0], depths, _correlation(here[0], there[0])
        )
        return [*signal, *_branches(graph, depths, seen), *_dead(graph, depths, seen), shattering]

    def _forward(self, graph: keras.Function, x: Any, shifts: dict[str, Any]) -> tuple[Any, dict]:
        """The output, and the inputs and outputs of each operation."""
        seen = {}

        def watched(operation: Any) -> Callable:
            def call(*args: Any, **kwargs: Any) -> Any:
                if "training" in getattr(operation, "_call_context_args", ()):
                    kwargs["training"] = True
                outputs = operation(*args, **kwargs)
                if operation.name in shifts:
                    outputs = outputs + shifts[operation.name]
                seen[operation.name] = keras.tree.flatten(args), outputs
                return outputs

            return call

        # The scope keeps changes of variables, such as moving averages, from the model.
        with keras.StatelessScope():
            return graph._run_through_graph(x, watched), seen

    def _gradients(
        self, model: keras.Model, graph: keras.Function, x: np.ndarray, seen: dict, names: list[str]
    ) -> list[np.ndarray]:
        """The gradients of the loss with respect to the samples and the outputs of operations."""
        shifts = [ops.zeros_like(seen[name][1]) for name in names]

        def loss(tensors: list) -> Any:
            outputs, _ = self._forward(
                graph, tensors[0], dict(zip(names, tensors[1:], strict=True))
            )
            with keras.StatelessScope():
                value = model.compute_loss(tensors[0], ops.convert_to_tensor(self._y), outputs)
            return value * scale

        # As in training, against underflow in float16.
        scale = float(ops.convert_to_numpy(loss_scale(model.optimizer) or 1.0))
        gradients = GRADIENTS[keras.backend.backend()](loss, [ops.convert_to_tensor(x), *shifts])
        return [ops.convert_to_numpy(ops.cast(each, "float32")) / scale for each in gradients]


def _graph(model: keras.Model) -> keras.Function:
    graph = getattr(model, "_functional", model)
    if not isinstance(graph, keras.Function):
        raise TypeError(
            "probe needs a functional model, or Sequential with an Input. "
            f"Received: model of class {type(model).__name__}"
        )
    return graph


def _known_depths(graph: keras.Function) -> dict[int, int]:
    calls = trace(graph)
    known = {
        id(tensor): depth
        for call, depth in zip(calls, depths_of(calls).calls, strict=True)
        for tensor in call.graph_outputs
    }
    # A layer inside of a nested model has a path for a name. `output` is that of the first call.
    outputs = [tensor for each in graph.operations for tensor in keras.tree.flatten(each.output)]
    nested = any("/" in call.name for call in calls)
    if nested or len(calls) > len(graph.operations) or not {*map(id, outputs)} <= {*known}:
        raise ValueError(
            "probe needs a model without nested models and layers that are called twice. "
            f"Received: model {graph.name!r}"
        )
    return known


def _row(probe: str, operation: Any, depths: dict[int, int], value: float) -> dict[str, Any]:
    depth = depths[id(keras.tree.flatten(operation.output)[0])]
    return {"probe": probe, "layer": operation.name, "depth": depth, "value": float(value)}


def _is_boundary(operation: Any, depths: dict[int, int], graph: keras.Function) -> bool:
    inputs = keras.tree.flatten(operation.input)
    output = keras.tree.flatten(operation.output)[0]
    deeper = depths[id(output)] > max((depths[id(one)] for one in inputs), default=0)
    return (deeper or len(inputs) > 1) and operation.name not in graph.output_names


def _branches(graph: keras.Function, depths: dict[int, int], seen: dict) -> list[dict]:
    rows = []
    for operation in graph.operations:
        inputs = keras.tree.flatten(operation.input)
        if type(operation).__name__ != "Add" or len(inputs) != 2:
            continue
        values = [ops.convert_to_numpy(value) for value in seen[operation.name][0]]
        shortcut, branch = sorted((0, 1), key=lambda index: depths[id(inputs[index])])
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.var(values[branch], dtype=float) / np.var(values[shortcut], dtype=float)
        rows.append(_row("branch_share", operation, depths, share))
    return rows


def _dead(graph: keras.Function, depths: dict[int, int], seen: dict) -> list[dict]:
    rows = []
    for operation in graph.operations:
        kind = getattr(getattr(operation, "activation", operation), "__name__", "")
        if kind == "relu" or type(operation).__name__ in ("ReLU", "Relu"):
            values = ops.convert_to_numpy(seen[operation.name][1])
            silent = (values == 0).all(axis=tuple(range(values.ndim - 1)))
            rows.append(_row("dead", operation, depths, silent.mean()))
    return rows


def _correlation(here: np.ndarray, there: np.ndarray) -> float:
    """The mean over samples of the correlation of two gradients."""
    rows = [
        each.reshape(len(each), -1) - each.reshape(len(each), -1).mean(axis=1, keepdims=True)
        for each in (here.astype(float), there.astype(float))
    ]
    lengths = [np.linalg.norm(each, axis=1) for each in rows]
    products = (rows[0] * rows[1]).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return float(np.mean(products / (lengths[0] * lengths[1])))


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
