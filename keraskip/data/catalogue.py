"""Loads data sets of tensorflow-datasets."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from keraskip.data.folders import squared
from keraskip.data.parts import Dataset, Part, dataset_of, fits_in_memory, in_memory

SPLITS = ("train", "validation", "test")


@cache
def names() -> list[str]:
    """The names of all data sets of tensorflow-datasets."""
    return _tfds().list_builders()


def load_named(
    name: str,
    wanted: str,
    data_dir: str | Path | None,
    manual_dir: str | Path | None,
    image_size: int | None,
) -> Dataset:
    """See `keraskip.data.load_data`."""
    tfds = _tfds()
    tfds.disable_progress_bar()
    builder = tfds.builder(wanted, data_dir=data_dir and str(data_dir))
    image, label = _keys(name, builder.info)
    shape = builder.info.features[image].shape
    if image_size is None and None in shape:
        raise ValueError(
            f"Images of several sizes need image_size, the side to scale them to. Received: {name}"
        )
    side = (image_size, image_size, shape[2] or 3) if image_size else shape
    _prepare(name, builder, manual_dir)
    splits = builder.info.splits
    if not fits_in_memory(sum(splits[part].num_examples for part in splits) * np.prod(side)):
        raise ValueError(
            "A set of tensorflow-datasets is read into memory, and this machine has too little; "
            f"folder:PATH is read batch by batch. Received: {name}"
        )
    parts = {part: _part(builder, part, image_size) for part in SPLITS if part in splits}
    return dataset_of(name, parts, builder.info.features[label].num_classes)


def _tfds() -> Any:
    try:
        import tensorflow_datasets
    except ImportError:
        raise ValueError(
            "Without tensorflow-datasets there are only digits, folder:PATH and npz:PATH: "
            "pip install tensorflow tensorflow-datasets"
        ) from None
    return tensorflow_datasets


def _keys(name: str, info: Any) -> tuple[str, str]:
    """The keys of image and label; ValueError unless the set has both and a training part."""
    features = _tfds().features
    keys = info.supervised_keys
    kinds = (features.Image, features.ClassLabel)
    if keys is None or not all(
        isinstance(info.features[key], kind) for key, kind in zip(keys, kinds, strict=True)
    ):
        raise ValueError(f"dataset must be of images with a label each. Received: dataset={name!r}")
    if "train" not in (info.splits or {"train"}):
        raise ValueError(f"dataset must have a training part. Received: dataset={name!r}")
    return keys


def _prepare(name: str, builder: Any, manual_dir: str | Path | None) -> None:
    tfds = _tfds()
    config = tfds.download.DownloadConfig(manual_dir=manual_dir and str(manual_dir))
    manager = tfds.download.download_manager
    errors = tfds.download.DownloadError, manager.NonMatchingChecksumError
    try:
        builder.download_and_prepare(download_config=config)
    except (OSError, AssertionError, ImportError, *errors) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise OSError(
            f"{name} is not in {builder.data_dir} and cannot be downloaded: {reason} "
            "(manual_dir takes the official archives)"
        ) from None


def _part(builder: Any, split: str, side: int | None) -> Part:
    options = {"split": split, "as_supervised": True}
    if side is None:
        return in_memory(*_tfds().as_numpy(builder.as_dataset(**options, batch_size=-1)))
    pairs = _tfds().as_numpy(builder.as_dataset(**options))
    images, labels = zip(*((_resized(image, side), label) for image, label in pairs), strict=True)
    return in_memory(np.stack(images), np.array(labels))


def _resized(image: np.ndarray, side: int) -> np.ndarray:
    from PIL import Image

    flat = image[..., 0] if image.shape[2] == 1 else image
    return np.asarray(squared(Image.fromarray(flat), side)).reshape(side, side, -1)
