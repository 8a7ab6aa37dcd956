"""Copies of layers, by their configuration, and of their weights."""

from typing import Any

from keras import layers


def copied(layer: Any, name: str, dtype: Any = None, **changes: Any) -> Any:
    """A new layer with the same configuration except for the changes, without the weights.

    Raises:
        ValueError: if the layer cannot be made from its configuration.
    """
    try:
        config = {**layer.get_config(), "name": name, **changes}
        if dtype and "dtype" in config:
            config["dtype"] = dtype
        return type(layer).from_config(config)
    except Exception as error:
        if getattr(layer, "weights", None):
            raise ValueError(
                "A changed copy of a model needs layers that can be made again from their "
                f"get_config. Received: layer {layer.name!r} of class {type(layer).__name__}: "
                f"{error}"
            ) from error
        return _twin(layer, name, dtype)


def take_weights(copy: Any, layer: Any) -> None:
    """Gives a copy the weights of the layer, and what the layer computes from them."""
    if getattr(copy, "weights", None):
        copy.set_weights(layer.get_weights())
    finalize(copy)


def finalize(copy: Any) -> None:
    """Layers adapted to data, such as `Normalization`, compute values from their weights."""
    if hasattr(copy, "finalize_state"):
        copy.finalize_state()


def _twin(layer: Any, name: str, dtype: Any) -> Any:
    """A second instance of a layer or operation without weights, such as a Python lambda."""
    # `copy.copy` would not do: Keras copies by the configuration.
    twin = object.__new__(type(layer))
    # Its calls stay with the original.
    vars(twin).update({**vars(layer), "_inbound_nodes": [], "_outbound_nodes": [], "name": name})
    if dtype and isinstance(twin, layers.Layer):
        twin.dtype_policy = dtype
    return twin
