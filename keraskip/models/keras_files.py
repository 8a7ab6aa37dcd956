"""Weights from a file of Keras, whose layers must be the network's."""

import io
import os
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import keras

# The shapes of a layer's weights, by the name that Keras' files have for the layer.
Shapes: TypeAlias = dict[str, list[tuple[int, ...]]]

WEIGHTS_IN_ARCHIVE = "model.weights.h5"
# The one dense layer of a network: its classifier.
CLASSIFIER = "dense"
# The errors of zipfile and h5py for damaged bytes.
DAMAGES = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError,
    OverflowError, KeyError, ValueError, struct.error,
)  # fmt: skip
# The state of a layer that draws random numbers is no weight.
SEEDS = "seed_generator"


def fill_from_keras(model: keras.Model, file: Path, has_top: bool) -> None:
    """Gives the model the weights of a file of Keras.

    Args:
        model: a network of this package.
        file: a `.keras` or a `.weights.h5` file.
        has_top: whether the network has a classifier. Without one, the file may have one.

    Raises:
        ValueError: for a file of other layers.
    """
    shapes = shapes_in(file)
    # Keras would leave these out without a word.
    extra = {} if shapes is None else _left_over(model, shapes, has_top)
    if extra:
        key = next(iter(extra))
        raise ValueError(
            _refusal(model, file, f"{_of_file(key, extra)}, the network has no such layer")
        )
    try:
        with warnings.catch_warnings():
            # The file has the same layers in another place, which counts.
            warnings.filterwarnings("ignore", "Skipping nested container at '_operations_by_depth")
            model.load_weights(file)
    except (ValueError, KeyError, OSError) as error:
        keras_says = f"Keras says: {str(error).strip().splitlines()[0]}"
        reason = next(_differences(model, shapes or {}), keras_says)
        raise ValueError(_refusal(model, file, reason)) from error


def shapes_in(file: str | os.PathLike) -> Shapes | None:
    """The shapes of the weights in a file, None for a file of an older version of Keras.

    Raises:
        ValueError: for a broken file.
    """
    import h5py

    try:
        with h5py.File(io.BytesIO(_weights_in(Path(file)))) as content:
            if "layers" not in content:
                return None
            found: Shapes = {}
            content["layers"].visititems(lambda path, item: _note(found, path, item))
            return found
    except DAMAGES as error:
        raise ValueError(
            "weights must be a whole file, as model.save or model.save_weights writes it. "
            f"Received: weights={os.fspath(file)!r} ({error})"
        ) from None


def _note(found: Shapes, path: str, item) -> None:
    """Adds the shape of a weight at `conv2d_3/vars/0` to the shapes of its layer."""
    if hasattr(item, "shape") and SEEDS not in path:
        found.setdefault(path.split("/")[0], []).append(tuple(item.shape))


def _weights_in(file: Path) -> bytes:
    """The content of the file, or of the weights in a .keras file."""
    if file.suffix == ".h5":
        return file.read_bytes()
    with zipfile.ZipFile(file) as archive:
        return archive.read(WEIGHTS_IN_ARCHIVE)


def _by_key(model: keras.Model) -> Iterator[tuple[str, keras.layers.Layer]]:
    """The layers with their names in a file: the class, numbered from its second layer on."""
    seen: dict[str, int] = {}
    for layer in model.layers:
        words = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", type(layer).__name__)
        kind = re.sub("([a-z])([A-Z])", r"\1_\2", words).lower()
        number = seen[kind] = seen.get(kind, -1) + 1
        yield (f"{kind}_{number}" if number else kind), layer


def _left_over(model: keras.Model, shapes: Shapes, has_top: bool) -> Shapes:
    """The weights in a file that no layer takes; without a classifier, its weights do not count."""
    taken = {key for key, _ in _by_key(model)} | (set() if has_top else {CLASSIFIER})
    return {key: value for key, value in shapes.items() if key not in taken}


def _differences(model: keras.Model, shapes: Mapping[str, list]) -> Iterator[str]:
    """Layers with other weights than in the file, from first to last."""
    for key, layer in _by_key(model):
        ours = [tuple(weight.shape) for weight in layer.weights]
        if sorted(ours) != sorted(shapes.get(key, [])):
            yield f"{_of_file(key, shapes)}, {layer.name} of the network has {_told(ours)}"


def _of_file(key: str, shapes: Mapping[str, list]) -> str:
    return f"{key} of the file has {_told(shapes.get(key, []))}"


def _told(shapes: list[tuple[int, ...]]) -> str:
    return f"weights of {', '.join(map(str, shapes))}" if shapes else "no weights"


def _refusal(model: keras.Model, file: Path, reason: str) -> str:
    return (
        f"weights={os.fspath(file)!r} must be of a network with the layers of {model.name}. "
        f"Received: {reason}"
    )
