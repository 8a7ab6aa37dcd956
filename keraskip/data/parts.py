"""A data set and its three parts, for training, validation and test."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from keraskip.files import shown

TEST_SHARE, VALIDATION_SHARE = 0.2, 0.1
# Share of the machine's memory that a data set may take. Larger ones are read batch by batch, or
# refused.
MEMORY_SHARE = 0.25
# The memory of a machine whose system does not tell, in bytes.
ASSUMED_MEMORY = 8 * 2**30
# Mean and deviation of a larger training part come from this many images, evenly spread.
IMAGES_FOR_STATISTICS = 10_000


@dataclass(frozen=True, eq=False)
class Part:
    """Images and their labels.

    Attributes:
        labels: label of each image [images], integers from 0.
        read: returns the images [n, height, width, channels] at n indices [n].
    """

    labels: np.ndarray
    read: Callable[[np.ndarray], np.ndarray]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def images(self) -> np.ndarray:
        """All images [images, height, width, channels], as they are stored."""
        return self.read(np.arange(len(self)))

    def take(self, indices: np.ndarray) -> "Part":
        """The part with the images at these indices."""
        return Part(self.labels[indices], lambda chosen: self.read(indices[chosen]))


@dataclass(frozen=True, eq=False)
class Dataset:
    """A named set of labelled images of one size.

    Attributes:
        name: the name that it was loaded by.
        train: the images that the weights are fitted to.
        validation: held out to watch the training; a tenth of the training part if a set has none.
        test: used once, after the training; a fifth of the images if a set has none.
        classes: number of classes.
    """

    name: str
    train: Part
    validation: Part
    test: Part
    classes: int

    @cached_property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of one image."""
        height, width, channels = self.train.read(np.array([0])).shape[1:]
        return height, width, channels

    @property
    def white(self) -> float:
        """The value of the brightest pixel: 255 if pixels are integers, else 1."""
        return 255.0 if self.train.read(np.array([0])).dtype.kind in "ui" else 1.0

    @cached_property
    def mean_and_deviation(self) -> tuple[np.ndarray, np.ndarray]:
        """Of each channel over the training part, [channels] each; 1 for a constant channel."""
        count = min(len(self.train), IMAGES_FOR_STATISTICS)
        images = self.train.read(np.linspace(0, len(self.train) - 1, count).astype(int))
        mean = images.mean(axis=(0, 1, 2), dtype=np.float64)
        # One by one, as a copy of all in double precision might not fit in memory.
        squares = sum(np.square(image - mean).mean(axis=(0, 1)) for image in images)
        deviation = np.sqrt(squares / count)
        return mean.astype("float32"), np.where(deviation > 0, deviation, 1).astype("float32")


def dataset_of(name: str, parts: dict[str, Part], classes: int) -> Dataset:
    """The data set of the parts `train`, `validation` and `test`; makes the last two if missing."""
    for kind, part in parts.items():
        labels = np.unique(part.labels)
        if labels[0] < 0 or labels[-1] >= classes or classes < 2:
            raise ValueError(
                "Labels must be whole numbers from 0, of two classes or more; some sets have -1 "
                f"for no label. Received: {labels[0]} to {labels[-1]}, in {kind} of {shown(name)}"
            )
    train = parts["train"]
    if "test" not in parts:
        train, parts["test"] = split(train, TEST_SHARE)
    if "validation" not in parts:
        train, parts["validation"] = split(train, VALIDATION_SHARE)
    return Dataset(name, train, parts["validation"], parts["test"], classes)


def split(part: Part, share: float) -> tuple[Part, Part]:
    """Two parts, always the same; the second has this share of each class."""
    from sklearn.model_selection import train_test_split

    counts = np.bincount(part.labels)
    counts = counts[counts > 0]
    held_out = round(share * len(part))
    if not 0 < held_out < len(part):
        raise ValueError(
            f"Too few images to hold out a share of {share:g}. Received: {len(part)} images"
        )
    # Very small classes cannot be divided by class.
    stratify = part.labels if counts.min() > 1 and held_out >= len(counts) else None
    kept, held = train_test_split(
        np.arange(len(part)), test_size=held_out, stratify=stratify, random_state=0
    )
    return part.take(kept), part.take(held)


def in_memory(images: np.ndarray, labels: np.ndarray) -> Part:
    """A part whose images are in memory."""
    return Part(labels.astype("int64"), lambda indices: images[indices])


def fits_in_memory(size: float) -> bool:
    """Whether this many bytes are at most `MEMORY_SHARE` of this machine's memory."""
    sysconf = getattr(os, "sysconf", None)
    memory = sysconf("SC_PAGE_SIZE") * sysconf("SC_PHYS_PAGES") if sysconf else ASSUMED_MEMORY
    return size <= MEMORY_SHARE * memory
