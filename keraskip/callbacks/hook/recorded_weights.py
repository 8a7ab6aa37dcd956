"""Which weights of a model are recorded, in which order, and how deep each lies."""

import math
import re
from collections.abc import Callable
from typing import Any

import keras

from keraskip.graph import Places, weight_places


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
        largest depth of all trainable weights, how many of them are not recorded, and how the order
        of calls is known (`keraskip.graph.ORDERS`). Weights of layers that are never called have
        depth 0.

    Raises:
        ValueError: if that leaves no weight.
    """
    _check_trained(model)
    places = weight_places(model)
    depth_of = places.depths
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
    # Of all weights, also where only some are recorded.
    followed = {name for way in places.ways.values() for name in way.after}
    rows = [_row(variable, places, followed) for variable in variables]
    deepest = max(depth_of.get(id(variable), 0) for variable in model.trainable_variables)
    left_out = len(model.trainable_variables) - len(variables)
    facts = {"depth_from": places.order, "depth": deepest, "unrecorded": left_out}
    return variables, rows, facts


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


def _row(variable: keras.Variable, places: Places, followed: set[str]) -> dict[str, Any]:
    """The facts about a weight.

    `positions` and `after` are explained by `keraskip.graph.ways.Way`; `last` says that no other
    layer with weights lies behind its own. The three are None where the calls are not known.
    """
    layer, _, role = variable.path.rpartition("/")
    way = places.ways.get(id(variable))
    return {
        "path": variable.path,
        "layer": layer,
        "role": role,
        "depth": places.depths.get(id(variable), 0),
        "shape": list(variable.shape),
        "size": math.prod(variable.shape),
        "positions": way.positions if way else None,
        "after": list(way.after) if way else None,
        "last": layer not in followed if way else None,
    }
