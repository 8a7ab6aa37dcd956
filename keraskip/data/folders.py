"""Loads images from folders, one folder for each class."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keraskip.data.parts import Dataset, Part, dataset_of, fits_in_memory, in_memory
from keraskip.files import shown
from keraskip.images import MOST_PIXELS, SUFFIXES, grey_and_size, read_image

# The folder names that stand for a part of the data set.
PARTS = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}


def load_folder(name: str, path: Path, image_size: int | None) -> Dataset:
    """See `keraskip.data.load_data`."""
    if image_size and image_size**2 > MOST_PIXELS:
        raise ValueError(
            f"An image may have {MOST_PIXELS:,} pixels. Received: image_size={image_size}"
        )
    folders = _folders(path)
    parts = {PARTS[folder.name]: folder for folder in folders if folder.name in PARTS}
    if "train" not in parts:
        parts = {"train": path}
    classes = [folder.name for folder in _folders(parts["train"])]
    if len(classes) < 2:
        raise ValueError(
            f"A folder of images must have one folder for each of two classes or more. "
            f"Received: {classes} in {shown(parts['train'])}"
        )
    labelled = {part: _files(folder, classes) for part, folder in parts.items()}
    mode, size = _mode_and_size([file for files, _ in labelled.values() for file in files])
    if image_size is None and size is None:
        raise ValueError(
            "Images of several sizes need image_size, the side to scale them to. "
            f"Received: {shown(path)}"
        )
    width, height = (image_size, image_size) if image_size else size or (0, 0)
    count = sum(len(files) for files, _ in labelled.values())
    fits = fits_in_memory(count * width * height * len(mode))
    loaded = {
        part: _part(files, labels, mode, image_size, fits)
        for part, (files, labels) in labelled.items()
    }
    return dataset_of(name, loaded, len(classes))


def squared(image: Any, side: int) -> Any:
    """The middle square of a Pillow image, scaled to this side."""
    from PIL import ImageOps

    return ImageOps.fit(image, (side, side))


def _folders(path: Path) -> list[Path]:
    if not path.is_dir():
        raise FileNotFoundError(f"There is no folder {shown(path)}.")
    return sorted(inner for inner in path.iterdir() if inner.is_dir() and inner.name[0] != ".")


def _files(path: Path, classes: Sequence[str]) -> tuple[list[Path], np.ndarray]:
    """The files of all classes, and their labels."""
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        own = [file for file in (path / name).glob("*") if file.suffix.lower() in SUFFIXES]
        if not own:
            raise ValueError(f"Each class needs at least one image. Received: {shown(path / name)}")
        files += sorted(own)
        labels += [label] * len(own)
    return files, np.array(labels)


def _mode_and_size(files: Sequence[Path]) -> tuple[str, tuple[int, int] | None]:
    """Grey or colour, and width and height if all are equal, from the files' headers."""
    headers = set(map(grey_and_size, files))
    sizes = {size for _, size in headers}
    grey = all(is_grey for is_grey, _ in headers)
    return "L" if grey else "RGB", sizes.pop() if len(sizes) == 1 else None


def _pixels(file: Path, mode: str, side: int | None) -> np.ndarray:
    image = read_image(file, mode)
    return np.asarray(image if side is None else squared(image, side))


def _part(
    files: list[Path],
    labels: np.ndarray,
    mode: str,
    side: int | None,
    fits: bool,
) -> Part:
    def read(indices: np.ndarray) -> np.ndarray:
        images = np.stack([_pixels(files[index], mode, side) for index in indices])
        return images.reshape(*images.shape[:3], -1)

    if fits:
        return in_memory(read(np.arange(len(files))), labels)
    return Part(labels, read)
