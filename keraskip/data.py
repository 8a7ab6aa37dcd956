"""Data sets by name, as arrays in memory."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

DIGITS_TEST_IMAGES = 360  # a fifth


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images in [0, 1] as float32 `[images, height, width, channels]`, labels as integers."""

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of one image."""
        height, width, channels = self.x_train.shape[1:]
        return height, width, channels

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.y_train.max()) + 1


def load_data(name: str = "digits", manual_dir: str | Path | None = None) -> Dataset:
    """Loads a data set by name.

    Args:
        name: `"digits"`, the 1,797 handwritten digits of 8x8 pixels that scikit-learn ships, or the
            name of an image classification set of tensorflow-datasets that fits in memory and has
            the splits `train` and `test`, such as `"fashion_mnist"`.
        manual_dir: for tensorflow-datasets, a folder with the set's official archives, for
            machines without network.

    Raises:
        ValueError: for a name that neither scikit-learn's digits nor tensorflow-datasets has.

    Example:

    >>> load_data("digits").input_shape
    (8, 8, 1)
    """
    if name == "digits":
        return _digits()
    return _from_tensorflow_datasets(name, manual_dir)


def _digits() -> Dataset:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    # 16 grey levels above black.
    images = (images / 16).astype("float32").reshape(-1, 8, 8, 1)
    x_train, x_test, y_train, y_test = train_test_split(
        images, labels, test_size=DIGITS_TEST_IMAGES, stratify=labels, random_state=0
    )
    return Dataset("digits", x_train, y_train, x_test, y_test)


def _from_tensorflow_datasets(name: str, manual_dir: str | Path | None) -> Dataset:
    import tensorflow_datasets as tfds

    if name not in tfds.list_builders():
        raise ValueError(
            f'dataset must be "digits" or a set of tensorflow-datasets. Received: dataset={name!r}'
        )
    config = tfds.download.DownloadConfig(manual_dir=manual_dir and str(manual_dir))
    (x_train, y_train), (x_test, y_test) = tfds.as_numpy(
        tfds.load(
            name,
            split=["train", "test"],
            batch_size=-1,
            as_supervised=True,
            download_and_prepare_kwargs={"download_config": config},
        )
    )
    return Dataset(name, _scaled(x_train), y_train, _scaled(x_test), y_test)


def _scaled(images: np.ndarray) -> np.ndarray:
    return (images / np.float32(255)).astype("float32")
