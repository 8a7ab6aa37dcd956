"""Which weights of a model are recorded, in which order, and how deep each lies."""

import math
import re
from collections.abc import Callable
from typing import Any

import keras

from keraskip.graph import weight_depths


def recorded_weights(
    model: keras.Model, layers: str | Callable[[str], bool] | None = None
) -> tuple[list[keras.Variable], list[dict[str, Any]], dict[str, Any]]:
    """The trainable weights, those nearest to the input first; `keraskip.graph` defines depth.

    Args:
        model: a model that has its weights.
        layers: the weights to record, as a regular expression to be found in the path, such as
            `stem_conv/kernel`, or a function of the path; by default all.

    Returns:
        The variables, their rows for `RunWriter` in the same order, and facts for `run.json`: the
        largest depth of all trainable weights, and how the order of calls is known
        (`keraskip.graph.ORDERS`). Weights of layers that are never called have depth 0.

    Raises:
        ValueError: if that leaves no weight.
    """
    _check_trained(model)
    depth_of, order = weight_depths(model)
    wanted = re.compile(layers).search if isinstance(layers, str) else layers
    variables = sorted(
        (v for v in model.trainable_variables if wanted is None or wanted(v.path)),
        key=lambda variable: depth_of.get(id(variable), 0),
    )
    if not variables:
        paths = [variable.path for variable in model.trainable_variables]
        raise ValueError(
            "layers must leave at least one trainable weight. "
            f"Received: layers={layers!r}, weights such as {paths[:3]}"
        )
    rows = [_row(variable, depth_of.get(id(variable), 0)) for variable in variables]
    # Also where only some weights are recorded.
    deepest = max(depth_of.get(id(variable), 0) for variable in model.trainable_variables)
    return variables, rows, {"depth_from": order, "depth": deepest}


def _check_trained(model: keras.Model) -> None:
    if not model.weights:
        raise ValueError(
            "A model must have its weights before they can be recorded: call it on a batch, or "
            f"build it. Received: model {model.name!r} without weights"
        )
    if not model.trainable_variables:
        raise ValueError(
            "A recorded model must have a layer that trains: set `trainable = True` on the layers "
            f"to train. Received: model {model.name!r}, all layers frozen"
        )


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
