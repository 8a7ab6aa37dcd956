"""Loads arrays of images and labels from an npz file, whose headers are read first."""

import zipfile
from collections.abc import Mapping
from math import inf, isfinite, prod
from pathlib import Path

import numpy as np

from keraskip.data.parts import Dataset, Part, dataset_of, fits_in_memory, in_memory
from keraskip.files import check_file, excess, first_words, shown

SPLITS = ("train", "validation", "test")
KEYS = {f"{letter}_{split}" for letter in "xy" for split in SPLITS}
# Labels are the places of scores: more classes than this need gigabytes for one layer.
MOST_CLASSES = 1_000_000
# Parts on one scale do not differ more than this in size: a dark part may, 8 bits beside 0 to 1 do.
MOST_SCALES = 50
# Numbers of a part that tell its size, and the share of them that is not larger.
SAMPLE, USUAL = 100_000, 0.99


def load_arrays(name: str, path: Path) -> Dataset:
    """See `keraskip.data.load_data`."""
    check_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            if too_large := excess(archive, path):
                raise ValueError(f"it {too_large}")
            arrays = _arrays(archive)
    except MemoryError as error:
        raise ValueError(f"{shown(path)} does not fit in memory: {first_words(error)}") from None
    # zipfile and numpy meet damaged bytes with errors of a dozen classes.
    except Exception as error:
        raise ValueError(
            f"{shown(path)} must hold plain arrays, no objects: {first_words(error)}"
        ) from None
    if not {"x_train", "y_train"} <= set(arrays):
        raise ValueError(f"{shown(path)} must hold x_train and y_train. Received: {sorted(arrays)}")
    parts = {
        split: _part(path, split, arrays[f"x_{split}"], arrays.get(f"y_{split}"))
        for split in SPLITS
        if f"x_{split}" in arrays
    }
    _check_alike(path, {split: arrays[f"x_{split}"] for split in parts})
    return dataset_of(name, parts, max(int(part.labels.max()) for part in parts.values()) + 1)


def _arrays(archive: zipfile.ZipFile) -> dict[str, np.ndarray]:
    """The arrays of images and labels; ValueError before any is read if one claims too much."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        key = info.filename.removesuffix(".npy")
        key = f"{key}idation" if key.endswith("_val") else key
        if key in members:
            raise ValueError(f"it has {key} twice")
        if key in KEYS:
            members[key] = info
    if not fits_in_memory(sum(_claimed(archive, info) for info in members.values())):
        raise ValueError("they would take more than a quarter of the memory")
    found = {}
    for key, info in members.items():
        with archive.open(info) as member:
            # Objects would have to be unpickled, which can run any code.
            found[key] = np.lib.format.read_array(member, allow_pickle=False)
            if member.read(1):
                raise ValueError(f"{info.filename} is longer than its header says")
    return found


def _claimed(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> int:
    """The bytes that an array has by its own header; ValueError if its member has others."""
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        readers = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        if version not in readers:
            raise ValueError(f"{info.filename} has version {version} of numpy's format")
        shape, _, dtype = readers[version](member)
        begins = member.tell()
    if dtype.hasobject:
        raise ValueError(f"{info.filename} has Python objects")
    claimed = prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or begins + claimed != info.file_size:
        raise ValueError(
            f"{info.filename} has {info.file_size:,} bytes for an array of shape {shape}"
        )
    return claimed


def _part(path: Path, split: str, images: np.ndarray, labels: np.ndarray | None) -> Part:
    if labels is None:
        raise ValueError(f"{shown(path)} has images without labels. Received: no y_{split}")
    if images.ndim == 3:
        images = images[..., None]
    labels = labels.reshape(-1)
    rule = ""
    if images.ndim != 4 or images.dtype.kind not in "uif":
        rule = "images are numbers [images, height, width, channels]"
    elif not len(images) or len(images) != len(labels):
        rule = "there are as many labels as images, and at least one"
    elif not images[0].size:
        rule = "images have at least one pixel"
    elif labels.dtype.kind not in "ui" or labels.min() < 0 or labels.max() >= MOST_CLASSES:
        rule = f"labels are whole numbers from 0 to {MOST_CLASSES - 1:,}"
    elif not isfinite(_largest(images)):
        rule = "images are finite, in 32 bits"
    if rule:
        raise ValueError(
            f"In {shown(path)}, {rule}. Received: x_{split} {images.dtype} {images.shape}, "
            f"y_{split} {labels.dtype} {labels.shape}"
        )
    return in_memory(images, labels)


def _check_alike(path: Path, images: Mapping[str, np.ndarray]) -> None:
    """ValueError unless all parts have images of one size and on one scale."""
    # Grey images may come with a channel or without.
    shapes = {(*each.shape[1:], 1)[:3] for each in images.values()}
    if len(shapes) > 1:
        raise ValueError(
            f"All images of a set must have one size. Received: {sorted(shapes)} in {shown(path)}"
        )
    usual = {split: _usual(each) for split, each in images.items()}
    sizes = [size for size in usual.values() if size]
    if sizes and max(sizes) > MOST_SCALES * min(sizes):
        told = ", ".join(f"x_{split} to {size:.3g}" for split, size in usual.items())
        raise ValueError(
            "The images of all parts must be on one scale, as they are normalised by x_train. "
            f"Received: {told} in {shown(path)}"
        )


def _largest(images: np.ndarray) -> float:
    """The largest size of a number, without a copy of all; infinite where float32 ends."""
    # Both are NaN if one number is.
    largest = max(float(images.max()), -float(images.min()))
    return inf if largest > float(np.finfo("float32").max) else largest


def _usual(images: np.ndarray) -> float:
    """The size that nearly no number of a sample exceeds; 0 if all are 0.

    Not the largest: one hot pixel may be a thousand times as large as the others.
    """
    places = np.random.default_rng(0).integers(images.size, size=min(SAMPLE, images.size))
    # By `flat`, as arrays of another order would be copied whole.
    sizes = np.abs(images.flat[places].astype("float64"))
    sizes = sizes[sizes > 0]
    return float(np.quantile(sizes, USUAL)) if sizes.size else 0.0
