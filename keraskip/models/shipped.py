"""Weights that come with keraskip, each with a card that says how they were made.

A file of weights has the kernels in half precision and all else, the moving statistics included, in
single precision. `tests/benchmarks/pack_weights.py` writes it and its card.
"""

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keraskip.checks import check_integer
from keraskip.models.origin import Origin, note_origin

if TYPE_CHECKING:
    import keras

FOLDER = Path(__file__).with_name("weights")
DATASETS = ("fashion_mnist",)
CLASSIFIER_PREFIX = "predictions/"
# These changes leave the variables as they are.
CHANGES = (
    "weights", "input_shape", "classes", "include_top", "pooling", "classifier_activation",
    "input_tensor", "name", "prefix", "memory_efficient", "dropout_rate", "kernel_initializer",
    "stochastic_depth_rate", "zero_init_residual",
)  # fmt: skip
# In these networks a builder's None stands for them.
DEFAULTS = {"shortcut": "A", "block": "basic", "filters": (16, 32, 64)}


def cards_of(network: str) -> dict[str, dict[str, Any]]:
    """The cards of the weights that this network comes with, by the name of their data set.

    Args:
        network: one of `keraskip.list_models()`.
    """
    files = {dataset: FOLDER / dataset / f"{network}.json" for dataset in DATASETS}
    return {
        dataset: json.loads(file.read_text("utf-8"))
        for dataset, file in files.items()
        if file.is_file()
    }


def networks_with(dataset: str) -> list[str]:
    """The networks that come with weights of this data set."""
    return sorted(file.stem for file in (FOLDER / dataset).glob("*.json"))


def build_with(
    network: str,
    builder: "Callable[..., keras.Model]",
    arguments: Mapping[str, Any],
    changes: Mapping[str, Any],
) -> "keras.Model":
    """The network with the weights that `changes["weights"]` names, one of `DATASETS`.

    Args:
        network: a name of the zoo.
        builder: builds it.
        arguments: the arguments that make it the network of this name.
        changes: further arguments of the caller.

    Raises:
        TypeError: for an argument that the builder does not have.
        ValueError: for a network without such weights, for changes that they do not fit, and for a
            file that was altered.
    """
    dataset = changes["weights"]
    card = cards_of(network).get(dataset)
    if card is None:
        raise ValueError(
            f"weights={dataset!r} exist for {', '.join(networks_with(dataset))}. "
            f"Received: weights={dataset!r} for {network}"
        )
    size = _size_of(card)
    own = signature(builder).bind(**arguments)
    signature(builder).bind(**{**arguments, **changes})
    own.apply_defaults()
    _check_changes(card, own.arguments, changes)
    _check_size(dataset, size, changes)
    model = builder(**{**arguments, **changes, **size, "weights": None})
    has_top = changes.get("include_top", True)
    fill_in_order(model, read_weights(FOLDER / dataset / f"{network}.npz", card["sha256"]), has_top)
    if changes.get("input_tensor") is None:
        note_origin(model, _origin(card, has_top))
    return model


def read_weights(file: Path, sha256: str) -> dict[str, np.ndarray]:
    """The weights of a file by their names, in the order of the network.

    Raises:
        ValueError: unless the file has this hash.
    """
    content = file.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ValueError(
            f"{file} must have the SHA-256 {sha256}, as its card says; install keraskip again. "
            f"Received: {found}"
        )
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def fill_in_order(model: "keras.Model", values: Mapping[str, np.ndarray], has_top: bool) -> None:
    """Gives a model the weights of a file, which lists them in the same order.

    A prefix and memory-efficient blocks change the names, but not the order.
    """
    kept = {
        name: v for name, v in values.items() if has_top or not name.startswith(CLASSIFIER_PREFIX)
    }
    theirs = [(name, value.shape) for name, value in kept.items()]
    ours = [(weight.path, tuple(weight.shape)) for weight in model.weights]
    if [shape for _, shape in theirs] != [shape for _, shape in ours]:
        raise ValueError(
            f"The weights must have the shapes of the network's. Received: {theirs} for {ours}"
        )
    for weight, value in zip(model.weights, kept.values(), strict=True):
        weight.assign(value.astype("float32"))


def _size_of(card: Mapping[str, Any]) -> dict[str, Any]:
    """Input shape, in the order of Keras' configuration, and number of classes."""
    import keras

    height, width, channels = card["input_shape"]
    is_first = keras.config.image_data_format() == "channels_first"
    shape = (channels, height, width) if is_first else (height, width, channels)
    return {"input_shape": shape, "classes": len(card["class_names"])}


def _check_changes(
    card: Mapping[str, Any], own: Mapping[str, Any], changes: Mapping[str, Any]
) -> None:
    """ValueError for a change that makes another network."""
    for change, value in changes.items():
        choices = (own[change], DEFAULTS.get(change)) if own[change] is None else (own[change],)
        value = tuple(value) if isinstance(value, list) else value
        # By type as well: True == 1.
        is_own = any(type(value) is type(choice) and value == choice for choice in choices)
        if change not in CHANGES and not is_own:
            raise ValueError(
                f"weights={card['weights']!r} fit {card['network']} as it is. "
                f"Received: {change}={value!r} (nearest: {choices[-1]!r})"
            )


def _check_size(dataset: str, size: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
    """ValueError for images of another shape, or other classes."""
    from keraskip.models.image_shape import check_order, check_shape

    rule, shape = f"weights={dataset!r} are for images of shape", size["input_shape"]
    if (wanted := changes.get("input_shape")) is not None and check_shape(wanted) != shape:
        check_order(check_shape(wanted))
        raise ValueError(
            f"{rule} {shape}. Received: input_shape={tuple(wanted)} (nearest: {shape})"
        )
    # The builder refuses an input_tensor without a shape.
    tensor = tuple(getattr(changes.get("input_tensor"), "shape", (None, *shape)))
    if tensor[1:] != shape:
        raise ValueError(
            f"{rule} {shape}. Received: input_tensor of shape {tensor} (nearest: {(None, *shape)})"
        )
    if changes.get("classes") is not None:
        _check_classes(dataset, size["classes"], changes)


def _check_classes(dataset: str, own: int, changes: Mapping[str, Any]) -> None:
    """ValueError for another number of classes, which does not matter without the classifier."""
    classes = check_integer("classes", changes["classes"], minimum=1)
    if classes != own and changes.get("include_top", True):
        raise ValueError(
            f"weights={dataset!r} are for {own} classes; include_top=False, pooling='avg' takes "
            "all but the classifier, for a new one behind it. "
            f"Received: classes={classes} (nearest: {own})"
        )


def _origin(card: Mapping[str, Any], has_top: bool) -> Origin:
    source = f"keraskip, trained on {card['data']['name']} by examples/{card['weights']}.py"
    steps = {"mean": card["mean"], "deviation": card["deviation"]}
    return Origin(source, steps, tuple(card["class_names"]) if has_top else None)
