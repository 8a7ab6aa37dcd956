"""Loads a data set by its name."""

import zlib
from difflib import get_close_matches
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from keraskip.checks import check_integer
from keraskip.data.parts import Dataset, Part, dataset_of, in_memory

SPLITS = ("train", "validation", "test")


def load_data(
    name: str = "digits",
    *,
    data_dir: str | Path | None = None,
    manual_dir: str | Path | None = None,
    image_size: int | None = None,
) -> Dataset:
    """Loads a data set by name.

    Args:
        name: one of
            `"digits"`, the 1,797 handwritten digits of 8x8 pixels that scikit-learn ships;
            an image classification set of tensorflow-datasets, such as `"cifar10"`, or
            `"tfds:NAME"`;
            `"folder:PATH"`, with one folder of images for each class; these may lie in folders
            `train`, `validation` and `test`;
            `"npz:PATH"`, with arrays `x_train` and `y_train`, and optionally `x_test` and so on.
            Missing parts are taken from the training part.
        data_dir: the folder of prepared sets of tensorflow-datasets, by default its own.
        manual_dir: a folder with the official archives of a set of tensorflow-datasets, for
            machines without network.
        image_size: side of the square to which images of a folder or of tensorflow-datasets are
            scaled by their short side and cropped around their middle. Images of several sizes
            need it.

    Raises:
        TypeError: if `image_size` is no integer.
        ValueError: for an unknown name, a set without labels or with images of several sizes, an
            empty class, a file that is no image, arrays that do not fit together.
        OSError: for a file that cannot be read, a set that cannot be downloaded.

    Example:

    >>> load_data("digits").input_shape
    (8, 8, 1)
    """
    kind, _, path = name.partition(":")
    if image_size is not None:
        check_integer("image_size", image_size, minimum=1)
    if image_size is not None and (name == "digits" or kind == "npz"):
        raise ValueError(
            "image_size is for folders and tensorflow-datasets; digits and npz have their own. "
            f"Received: dataset={name!r}, image_size={image_size}"
        )
    if name == "digits":
        return _digits()
    if kind == "npz" and path:
        return _npz(name, Path(path))
    if kind == "folder" and path:
        from keraskip.data.folders import load_folder

        return load_folder(name, Path(path), image_size)
    from keraskip.data.catalogue import load_named, names

    wanted = path if kind == "tfds" else name
    if wanted.split("/")[0] not in names():
        close = get_close_matches(wanted, ["digits", *names()], n=4)
        raise ValueError(
            "dataset must be digits, a set of tensorflow-datasets, folder:PATH or npz:PATH. "
            f"Received: dataset={name!r} (nearest: {', '.join(close) or 'none'})"
        )
    return load_named(name, wanted, data_dir, manual_dir, image_size)


def _digits() -> Dataset:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    # 16 grey levels above black.
    images = (images / 16).astype("float32").reshape(-1, 8, 8, 1)
    return dataset_of("digits", {"train": in_memory(images, labels)}, classes=10)


def _npz(name: str, path: Path) -> Dataset:
    try:
        # Objects would have to be unpickled, which can run any code.
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files if key[:2] in ("x_", "y_")}
    except (ValueError, TypeError, EOFError, BadZipFile, zlib.error) as error:
        raise ValueError(f"{path} must hold plain arrays, no objects: {error}") from None
    for key in [key for key in arrays if key.endswith("_val")]:
        arrays[f"{key}idation"] = arrays.pop(key)
    if not {"x_train", "y_train"} <= set(arrays):
        raise ValueError(f"{path} must hold x_train and y_train. Received: {sorted(arrays)}")
    parts = {
        split: _part(path, split, arrays[f"x_{split}"], arrays.get(f"y_{split}"))
        for split in SPLITS
        if f"x_{split}" in arrays
    }
    shapes = {arrays[f"x_{split}"].shape[1:] for split in parts}
    if len(shapes) > 1:
        raise ValueError(
            f"All images of a set must have one size. Received: {sorted(shapes)} in {path}"
        )
    return dataset_of(name, parts, max(int(part.labels.max()) for part in parts.values()) + 1)


def _part(path: Path, split: str, images: np.ndarray, labels: np.ndarray | None) -> Part:
    if labels is None:
        raise ValueError(f"{path} has images without labels. Received: no y_{split}")
    if images.ndim == 3:
        images = images[..., None]
    labels = labels.reshape(-1)
    rule = ""
    if images.ndim != 4 or images.dtype.kind not in "uif":
        rule = "images are numbers [images, height, width, channels]"
    elif not len(images) or len(images) != len(labels):
        rule = "there are as many labels as images, and at least one"
    elif labels.dtype.kind not in "ui" or labels.min() < 0:
        rule = "labels are whole numbers from 0"
    elif not np.isfinite(images).all():
        rule = "images are finite"
    if rule:
        raise ValueError(
            f"In {path}, {rule}. Received: x_{split} {images.dtype} {images.shape}, "
            f"y_{split} {labels.dtype} {labels.shape}"
        )
    return in_memory(images, labels)
