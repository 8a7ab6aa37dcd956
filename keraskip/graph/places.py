"""Where each weight of a model lies: how deep, behind which layers, and at how many positions."""

from typing import NamedTuple

import keras

from keraskip.graph.calls import ORDERS, read
from keraskip.graph.depth import depths, depths_as_made
from keraskip.graph.ways import Way, ways


class Places(NamedTuple):
    """Where the weights lie.

    Attributes:
        depths: the depth of each variable, by its id.
        ways: the way to each variable, by its id; empty where the calls are not known.
        order: how sure the order of the calls is, a member of `keraskip.graph.ORDERS`.
    """

    depths: dict[int, int]
    ways: dict[int, Way]
    order: str


def weight_places(model: keras.Model) -> Places:
    """Where each weight of any model lies.

    Never fails: reading a model must not keep it from being trained.
    """
    try:
        apart = _side_by_side(model)
        if apart:
            return apart
        calls, order = read(model)
        return Places(depths(calls).weights, ways(calls), order)
    except Exception:
        # A custom layer may do anything when it is called, or when it is asked for its shapes.
        return Places(depths_as_made(model), {}, ORDERS[-1])


def _side_by_side(model: keras.Model) -> Places | None:
    """The networks of a model that only its training step calls, as in a GAN, each by itself.

    None if the model has a `call`, or weights outside of its networks.
    """
    if type(model).call is not keras.Model.call:
        return None
    networks = [layer for layer in model._layers if isinstance(layer, keras.Model)]
    inside = {id(variable) for network in networks for variable in network.variables}
    if not networks or any(id(variable) not in inside for variable in model.trainable_variables):
        return None
    found = [weight_places(network) for network in networks]
    order = max((one.order for one in found), key=ORDERS.index)
    depth_of: dict[int, int] = {}
    way_to: dict[int, Way] = {}
    for one in reversed(found):
        depth_of |= one.depths
        way_to |= one.ways
    return Places(depth_of, way_to, order)
