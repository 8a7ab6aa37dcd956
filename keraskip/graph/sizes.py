"""The shapes of the tensors in a model's graph, also where the model leaves sizes open."""

from collections import defaultdict
from typing import Any

import keras

from keraskip.graph.walk import given, has_graph, nodes

# In place of a size that the model leaves open, such as the length of a sequence. A prime, so that
# halving and doubling it gives another size, and large enough to be halved often.
OPEN_SIZE = 4099


def sizes(model: keras.Model) -> dict[int, tuple]:
    """The shape of one sample in each tensor of a model with a graph, by the tensor's id.

    A size that the inputs leave open is `OPEN_SIZE`, so two tensors of one shape have it whatever
    the size. Where a layer refuses that size, it is None. A tensor of a nested model that is called
    on several shapes is left out.
    """
    closed = [
        keras.KerasTensor((tensor.shape[0], *_closed(tensor.shape[1:])), dtype=tensor.dtype)
        for tensor in model.inputs
    ]
    shapes: dict[int, set[tuple]] = defaultdict(set)
    try:
        _follow(model, closed, shapes)
    except Exception:
        # A custom layer may refuse any size, such as a sequence longer than its table.
        shapes.clear()
        _follow(model, model.inputs, shapes)
    return {key: next(iter(found)) for key, found in shapes.items() if len(found) == 1}


def _closed(shape: tuple) -> list:
    return [OPEN_SIZE if size is None else size for size in shape]


def _follow(model: Any, tensors: list, shapes: dict[int, set[tuple]]) -> list:
    """The outputs of a model on these tensors; notes the shapes of all on the way."""
    known = dict(zip(map(id, model.inputs), tensors, strict=True))
    for node in nodes(model):
        if node.is_input:
            continue
        if has_graph(node.operation):
            inputs = [known[id(tensor)] for tensor in given(node.operation, node)]
            outputs = _follow(node.operation, inputs, shapes)
        else:
            outputs = _outputs(node, known)
        known |= zip(map(id, node.outputs), outputs, strict=True)
    for key, tensor in known.items():
        shapes[key].add(tuple(tensor.shape[1:]))
    return [known[id(tensor)] for tensor in model.outputs]


def _outputs(node: Any, known: dict) -> list:
    """The outputs of a call, computed only where shapes are new."""
    if all(known[id(tensor)].shape == tensor.shape for tensor in node.input_tensors):
        return node.outputs
    args, kwargs = node.arguments.fill_in(known)
    return keras.tree.flatten(node.operation.compute_output_spec(*args, **kwargs))
