"""Weights from a file of Keras, whose layers must be the network's."""

import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import keras

from keraskip.files import first_words
from keraskip.models.frame import Frame
from keraskip.models.stored_layers import StoredLayer, keys_of, stored_layers

# The key of the one dense layer of a network: its classifier.
CLASSIFIER = "dense"


def fill_from_keras(model: keras.Model, file: Path, frame: Frame) -> None:
    """Gives the model the weights of a file of Keras.

    Keras puts them into layers by class and number, whatever else the file says of a layer.

    Args:
        model: a network of this package.
        file: a `.keras` or a `.weights.h5` file.
        frame: knows whether the network has a classifier. Without one, the file may have one.

    Raises:
        ValueError: for a file of other layers.
    """
    stored = stored_layers(file) or {}
    reason = next(_faults(model, stored, frame), None)
    if reason:
        raise ValueError(_refusal(model, file, reason))
    try:
        with warnings.catch_warnings():
            # The file has the same layers in another place, which counts.
            warnings.filterwarnings("ignore", "Skipping nested container at '_operations_by_depth")
            model.load_weights(file)
    # Keras and h5py meet damaged weights with errors of any class.
    except Exception as error:
        keras_says = f"Keras says: {first_words(error)}"
        reason = next(_differences(model, stored), keras_says)
        raise ValueError(_refusal(model, file, reason)) from error


def _faults(model: keras.Model, stored: Mapping[str, StoredLayer], frame: Frame) -> Iterator[str]:
    """What Keras would take without a word, from a file of another network."""
    taken = {key for key, _ in _by_key(model)} | (set() if frame.include_top else {CLASSIFIER})
    for key in stored:
        if key not in taken:
            yield f"{_of_file(key, stored)}, the network has no such layer"
    ours = {layer.name.removeprefix(frame.prefix) for layer in model.layers if layer.weights}
    for key, layer in _by_key(model):
        theirs = stored.get(key, StoredLayer())
        # Any prefix fits, and any name that none of our layers has.
        fits = (theirs.name or "").endswith(layer.name.removeprefix(frame.prefix))
        if not fits and (theirs.name or "").endswith(tuple(ours)):
            yield f"{key} of the file is {theirs.name}, in the network {layer.name}"
        strides = getattr(layer, "strides", None)
        if theirs.strides not in (None, strides):
            yield f"{layer.name} of the file has strides {theirs.strides}, of the network {strides}"


def _by_key(model: keras.Model) -> Iterator[tuple[str, keras.layers.Layer]]:
    """The layers with their keys in a file."""
    return zip(keys_of(type(x).__name__ for x in model.layers), model.layers, strict=True)


def _differences(model: keras.Model, stored: Mapping[str, StoredLayer]) -> Iterator[str]:
    """Layers with other weights than in the file, from first to last."""
    for key, layer in _by_key(model):
        ours = [tuple(weight.shape) for weight in layer.weights]
        if sorted(ours) != sorted(stored.get(key, StoredLayer()).shapes):
            yield f"{_of_file(key, stored)}, {layer.name} of the network has {_told(ours)}"


def _of_file(key: str, stored: Mapping[str, StoredLayer]) -> str:
    return f"{key} of the file has {_told(stored.get(key, StoredLayer()).shapes)}"


def _told(shapes: list[tuple[int, ...]]) -> str:
    return f"weights of {', '.join(map(str, shapes))}" if shapes else "no weights"


def _refusal(model: keras.Model, file: Path, reason: str) -> str:
    return (
        f"weights={os.fspath(file)!r} must be of a network with the layers of {model.name}. "
        f"Received: {reason}"
    )
