"""The shapes of the tensors in a model's graph, also where the model leaves sizes open."""

from collections import defaultdict
from typing import Any

import keras

from keraskip.graph.walk import walk

# In place of a size that the model leaves open, such as the length of a sequence. A prime, so that
# halving and doubling it gives another size, and large enough to be halved often.
OPEN_SIZE = 4099


def sizes(model: keras.Model) -> dict[int, tuple]:
    """The shape of one sample in each tensor of a model with a graph, by the tensor's id.

    A size that the inputs leave open is `OPEN_SIZE`, so two tensors of one shape have it whatever
    the size. Where a layer refuses that size, it is None. A tensor of a nested model that is called
    on several shapes is left out.
    """
    given = [
        keras.KerasTensor((tensor.shape[0], *_closed(tensor.shape[1:])), dtype=tensor.dtype)
        for tensor in model.inputs
    ]
    try:
        shapes = _walked(model, given)
    except Exception:
        # A custom layer may refuse any size, such as a sequence longer than its table.
        shapes = _walked(model, model.inputs)
    return {key: next(iter(found)) for key, found in shapes.items() if len(found) == 1}


def _closed(shape: tuple) -> list:
    return [OPEN_SIZE if size is None else size for size in shape]


def _walked(model: keras.Model, tensors: list) -> dict[int, set[tuple]]:
    shapes: dict[int, set[tuple]] = defaultdict(set)

    def visit(_: str, node: Any, known: dict) -> list:
        outputs = [known.get(id(tensor)) for tensor in node.outputs]
        if not node.is_input:
            outputs = _outputs(node, known)
        now = [known[id(tensor)] for tensor in node.input_tensors]
        for tensor, shaped in zip(
            [*node.input_tensors, *node.outputs], [*now, *outputs], strict=True
        ):
            shapes[id(tensor)].add(tuple(shaped.shape[1:]))
        return outputs

    walk(model, tensors, visit)
    return shapes


def _outputs(node: Any, known: dict) -> list:
    """The outputs of a call, computed only where shapes are new."""
    if all(known[id(tensor)].shape == tensor.shape for tensor in node.input_tensors):
        return node.outputs
    args, kwargs = node.arguments.fill_in(known)
    return keras.tree.flatten(node.operation.compute_output_spec(*args, **kwargs))
