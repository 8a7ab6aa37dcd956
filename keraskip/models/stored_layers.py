"""The layers of a file of Keras: the shapes of their weights, and what else the file tells."""

import io
import os
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keraskip.files import check_file, first_words
from keraskip.models.archives import read_config

WEIGHTS_IN_ARCHIVE = "model.weights.h5"
# The state of a layer that draws random numbers is no weight.
SEEDS = "seed_generator"


@dataclass
class StoredLayer:
    """A layer of a file.

    Attributes:
        shapes: the shapes of its weights.
        name: its name; None in files of older versions of Keras.
        strides: its strides; None for a layer without strides, and in a `.weights.h5` file.
    """

    shapes: list[tuple[int, ...]] = field(default_factory=list)
    name: str | None = None
    strides: tuple[int, ...] | None = None


def stored_layers(file: str | os.PathLike) -> dict[str, StoredLayer] | None:
    """The layers with weights by their keys in a file, None for a file of another layout.

    Raises:
        ValueError: for a broken file.
    """
    import h5py

    try:
        with h5py.File(io.BytesIO(_part(Path(file), WEIGHTS_IN_ARCHIVE))) as content:
            if "layers" not in content:
                return None
            found = _with_shapes(content["layers"])
        _note_strides(found, Path(file))
        return found
    # h5py, and a configuration that is damaged, lead to errors of any class.
    except Exception as error:
        raise ValueError(
            "weights must be a whole file, as model.save or model.save_weights writes it. "
            f"Received: weights={os.fspath(file)!r} ({first_words(error)})"
        ) from None


def keys_of(class_names: Iterable[str]) -> Iterator[str]:
    """The keys of layers in a file: the class, numbered from its second layer on."""
    seen: dict[str, int] = {}
    for class_name in class_names:
        words = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", class_name)
        kind = re.sub("([a-z])([A-Z])", r"\1_\2", words).lower()
        number = seen[kind] = seen.get(kind, -1) + 1
        yield f"{kind}_{number}" if number else kind


def _with_shapes(layers: Any) -> dict[str, StoredLayer]:
    """The layers that have weights, with their names."""
    found: dict[str, StoredLayer] = {}

    def note(path: str, item: Any) -> None:
        # A weight lies at `conv2d_3/vars/0`.
        if hasattr(item, "shape") and SEEDS not in path:
            found.setdefault(path.split("/")[0], StoredLayer()).shapes.append(tuple(item.shape))

    layers.visititems(note)
    for key, layer in found.items():
        if f"{key}/vars" in layers:
            name = layers[f"{key}/vars"].attrs.get("name")
            layer.name = name if isinstance(name, str) else None
    return found


def _note_strides(found: dict[str, StoredLayer], file: Path) -> None:
    """Adds the strides from the configuration in a .keras file of a functional model."""
    if file.suffix == ".h5":
        return
    config = read_config(file)["config"]
    layers = config.get("layers", [])
    keys = keys_of(layer["class_name"] for layer in layers)
    for key, layer in zip(keys, layers, strict=True):
        if key in found and "strides" in layer["config"]:
            found[key].strides = tuple(layer["config"]["strides"])


def _part(file: Path, part: str) -> bytes:
    """The content of a .weights.h5 file, or of a part of a .keras file."""
    check_file(file)
    if file.suffix == ".h5":
        return file.read_bytes()
    read_config(file)
    with zipfile.ZipFile(file) as archive:
        return archive.read(part)
