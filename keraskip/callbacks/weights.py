"""Which weights of a model are recorded, in which order, and how deep in the network each lies."""

import math
import re
from collections.abc import Callable
from typing import Any

import keras


def weights_by_depth(
    model: keras.Model, layers: str | Callable[[str], bool] | None = None
) -> tuple[list[keras.Variable], list[dict[str, Any]], str]:
    """The trainable weights, those nearest to the input first.

    The depth of a weight is the number of layers with a kernel on the longest way from the input
    through its own layer: the count by which the papers name their networks. Where the graph does
    not tell (subclassed or nested models, shared layers) kernels are counted in the order in which
    they were made.

    Args:
        model: a model that has its weights.
        layers: which of them, as a regular expression to be found in the path, such as
            `stem_conv/kernel`, or a function of the path; by default all.

    Returns:
        The variables, their rows for `RunWriter` in the same order, and which of the two ways gave
        the depths, `"graph"` or `"creation"`.

    Raises:
        ValueError: if that leaves no weight.
    """
    in_graph = graph_depths(model)
    order = "graph" if in_graph else "creation"
    depths = in_graph[1] if in_graph else _creation_depths(model)
    wanted = re.compile(layers).search if isinstance(layers, str) else layers
    variables = sorted(
        (v for v in model.trainable_variables if wanted is None or wanted(v.path)),
        key=lambda variable: depths[id(variable)],
    )
    if not variables:
        paths = [variable.path for variable in model.trainable_variables]
        raise ValueError(
            "layers must leave at least one trainable weight. "
            f"Received: layers={layers!r}, weights such as {paths[:3]}"
        )
    return variables, [_row(variable, depths[id(variable)]) for variable in variables], order


def _row(variable: keras.Variable, depth: int) -> dict[str, Any]:
    layer, _, role = variable.path.rpartition("/")
    return {
        "path": variable.path,
        "layer": layer,
        "role": role,
        "depth": depth,
        "shape": list(variable.shape),
        "size": math.prod(variable.shape),
    }


def _has_kernel(variables: list[keras.Variable]) -> bool:
    return any(len(variable.shape) > 1 for variable in variables)


def graph_depths(model: keras.Model) -> tuple[dict[int, int], dict[int, int]] | None:
    """How deep in its graph each tensor and each weight of a model lies.

    Returns:
        The depths of tensors and of variables by their ids, or None where the graph does not tell.
    """
    depths: dict[int, int] = {}
    reached: dict[int, int] = {}
    for operation in getattr(model, "operations", []):
        if isinstance(operation, keras.Model):
            return None
        inputs = [id(tensor) for tensor in keras.tree.flatten(operation.input)]
        if any(tensor not in reached for tensor in inputs):
            # Made by the second call of a shared layer, of which Keras shows only the first.
            return None
        depth = max((reached[tensor] for tensor in inputs), default=0)
        # One layer may stand for several in a row, as that of a memory-efficient DenseNet.
        for layer in getattr(operation, "chain", [operation]):
            variables = getattr(layer, "trainable_variables", [])
            depth += _has_kernel(variables)
            depths |= {id(variable): depth for variable in variables}
        reached |= {id(tensor): depth for tensor in keras.tree.flatten(operation.output)}
    known = all(id(variable) in depths for variable in model.trainable_variables)
    return (reached, depths) if known else None


def _creation_depths(model: keras.Model) -> dict[int, int]:
    layers: dict[str, list[keras.Variable]] = {}
    for variable in model.trainable_variables:
        layers.setdefault(variable.path.rpartition("/")[0], []).append(variable)
    depths: dict[int, int] = {}
    depth = 0
    for variables in layers.values():
        depth += _has_kernel(variables)
        depths |= {id(variable): depth for variable in variables}
    return depths
