"""A walk through the graph that Keras keeps of a functional model, and of those nested in it."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

# Called with the name of a layer, Keras' node for its call, and the tensors so far by the ids of
# those in the graph; returns what stands for the outputs.
Visit = Callable[[str, Any, dict], list]


def has_graph(model: Any) -> bool:
    """Whether the model is functional, or Sequential with a known input, and does what it says."""
    kind = isinstance(model, keras.Function | keras.Sequential) and hasattr(model, "inputs")
    # One that overrides `call` does something else.
    return kind and type(model).call.__module__.startswith("keras.")


def check_graph(model: Any) -> None:
    """TypeError for a model without a graph."""
    if not has_graph(model):
        raise TypeError(
            "model must be functional, or Sequential with an Input. Received: model of class "
            f"{type(model).__name__}, which has no graph of layers. For a subclassed model try "
            "keras.Model(inputs, model.call(inputs)), for a Sequential one model.build(shape)"
        )


def walk(model: Any, tensors: list, visit: Visit, path: str = "") -> list:
    """Goes through the graph of a model, and of those nested in it, from these tensors on.

    Args:
        model: a model with a graph.
        tensors: what stands for its inputs.
        visit: called at each call of a layer.
        path: the names of the models around.

    Returns:
        What stands for the model's outputs.
    """
    known = dict(zip(map(id, model.inputs), tensors, strict=True))
    follow(nodes(model), known, visit, path)
    return [known[id(tensor)] for tensor in model.outputs]


def follow(calls: Sequence[Any], known: dict, visit: Visit, path: str) -> None:
    """Visits the calls in Keras' nodes, and adds their outputs to the known tensors."""
    for node in calls:
        layer = node.operation
        if has_graph(layer):
            inputs = [known[id(tensor)] for tensor in _given(layer, node)]
            outputs = walk(layer, inputs, visit, f"{path}{layer.name}/")
        elif node.is_input and path:
            continue  # A nested model works on the tensors that it was called on.
        else:
            outputs = visit(path + layer.name, node, known)
        known |= zip(map(id, node.outputs), outputs, strict=True)


def _given(model: Any, node: Any) -> list:
    """The tensors on which a nested model is called, in the order of its inputs; no masks."""
    args, kwargs = node.arguments.args, node.arguments.kwargs
    given = args[0] if args else kwargs["inputs"]
    if isinstance(given, dict) and not isinstance(getattr(model, "_inputs_struct", None), dict):
        return [given[tensor.name] for tensor in model.inputs]
    return keras.tree.flatten(given)


def nodes(model: Any) -> list:
    """The calls that Keras keeps of a model, in the order in which it lists the layers.

    To call a model nested in it is one call.
    """
    is_function = isinstance(model, keras.Function)
    graph = model if is_function else keras.Function(model.inputs, model.outputs)
    order = {id(layer): index for index, layer in enumerate(graph.operations)}
    by_distance = sorted(graph._nodes_by_depth.items(), reverse=True)
    return [
        node
        for _, equally_far in by_distance
        for node in sorted(equally_far, key=lambda node: order[id(node.operation)])
    ]


def nodes_between(inputs: Sequence[Any], outputs: Sequence[Any]) -> list:
    """The calls that make some symbolic tensors out of others, each after those it waits for.

    Keras' own `Function` finds them too, but refuses two layers of the same name.
    """
    ready = {id(tensor) for tensor in inputs}
    found: list = []
    waiting = list(reversed(outputs))
    while waiting:
        tensor = waiting[-1]
        node = None if id(tensor) in ready else maker(tensor)
        missing = [each for each in node.input_tensors if id(each) not in ready] if node else []
        if missing:
            waiting.extend(reversed(missing))
            continue
        waiting.pop()
        if node:
            found.append(node)
            ready.update(map(id, node.outputs))
    return found


def maker(tensor: Any) -> Any:
    """Keras' node for the call that made a symbolic tensor."""
    history = tensor._keras_history
    return history.operation._inbound_nodes[history.node_index]
