"""Weights that come with keraskip, each with a card that says how they were made.

A file of weights has the kernels in half precision and all else, the moving statistics included, in
single precision. `tests/benchmarks/pack_weights.py` writes it and its card.
"""

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keraskip.models.origin import Origin, note_origin

if TYPE_CHECKING:
    import keras

FOLDER = Path(__file__).with_name("weights")
DATASETS = ("fashion_mnist",)
CLASSIFIER = "predictions/"
# What may be asked for without making another network of it.
CHANGES = (
    "weights", "input_shape", "classes", "include_top", "pooling", "classifier_activation",
    "input_tensor", "name", "prefix", "memory_efficient", "dropout_rate", "kernel_initializer",
)  # fmt: skip


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
        changes: what the caller wants besides.

    Raises:
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
    _check_changes(card, size, changes)
    model = builder(**{**arguments, **changes, **size, "weights": None})
    has_top = changes.get("include_top", True)
    fill(model, read_weights(FOLDER / dataset / f"{network}.npz", card["sha256"]), has_top)
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


def fill(model: "keras.Model", values: Mapping[str, np.ndarray], has_top: bool) -> None:
    """Gives a model the weights of a file, which lists them in the same order.

    A prefix and memory-efficient blocks change the names, but not the order.
    """
    kept = {name: v for name, v in values.items() if has_top or not name.startswith(CLASSIFIER)}
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
    card: Mapping[str, Any], size: Mapping[str, Any], changes: Mapping[str, Any]
) -> None:
    """ValueError for what the weights do not fit."""
    name, dataset = card["network"], card["weights"]
    for change, value in changes.items():
        if change not in CHANGES:
            raise ValueError(
                f"weights={dataset!r} are of {name} as it is. Received: {change}={value!r}"
            )
    for argument, own in size.items():
        wanted = changes.get(argument)
        is_used = argument != "classes" or changes.get("include_top", True)
        if is_used and wanted is not None and _numbers(wanted) != _numbers(own):
            raise ValueError(
                f"weights={dataset!r} are for images of shape {size['input_shape']} in "
                f"{size['classes']} classes; include_top=False, pooling='avg' takes all but the "
                f"classifier, for a new one behind it. Received: {argument}={wanted!r} "
                f"(nearest: {own!r})"
            )


def _numbers(value: Any) -> list[Any]:
    return np.ravel(np.asarray(value, object)).tolist()


def _origin(card: Mapping[str, Any], has_top: bool) -> Origin:
    source = f"keraskip, trained on {card['data']['name']} by examples/{card['weights']}.py"
    steps = {"mean": card["mean"], "deviation": card["deviation"]}
    return Origin(source, steps, tuple(card["class_names"]) if has_top else None)
