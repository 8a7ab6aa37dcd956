"""A data set and its three parts: for training, to watch it by, and the test at its end."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

TEST_SHARE, VALIDATION_SHARE = 0.2, 0.1
# Of the machine's memory that a data set may take; larger ones are read batch by batch, or refused.
MEMORY_SHARE = 0.25
# Mean and deviation of larger training parts are those of so many images, evenly spread.
IMAGES_FOR_STATISTICS = 10_000


@dataclass(frozen=True, eq=False)
class Part:
    """Images and their labels.

    Attributes:
        labels: of each image [images], integers from 0.
        read: gives the images [n, height, width, channels] of n places [n].
    """

    labels: np.ndarray
    read: Callable[[np.ndarray], np.ndarray]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def images(self) -> np.ndarray:
        """All images [images, height, width, channels], as they are stored."""
        return self.read(np.arange(len(self)))

    def take(self, places: np.ndarray) -> "Part":
        """The part of these images."""
        return Part(self.labels[places], lambda chosen: self.read(places[chosen]))


@dataclass(frozen=True, eq=False)
class Dataset:
    """A named set of labelled images of one size.

    Attributes:
        name: as it was asked for.
        train: what the weights are fitted to.
        validation: held out of training, to watch it by; a tenth of the training part where a set
            has none.
        test: for one look, when training is over; a fifth of a set that has none.
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
        """What the brightest pixel is: 255 where images are whole numbers, else 1."""
        return 255.0 if self.train.read(np.array([0])).dtype.kind in "ui" else 1.0

    @cached_property
    def mean_and_deviation(self) -> tuple[np.ndarray, np.ndarray]:
        """Of each channel over the training part, [channels] each; a constant one deviates by 1."""
        count = min(len(self.train), IMAGES_FOR_STATISTICS)
        images = self.train.read(np.linspace(0, len(self.train) - 1, count).astype(int))
        mean = images.mean(axis=(0, 1, 2), dtype=np.float64)
        # One by one, as a copy in double precision might not fit beside them.
        squares = sum(np.square(image - mean).mean(axis=(0, 1)) for image in images)
        deviation = np.sqrt(squares / count)
        return mean.astype("float32"), np.where(deviation > 0, deviation, 1).astype("float32")


def whole(name: str, parts: dict[str, Part], classes: int) -> Dataset:
    """The data set of the parts `train`, `validation` and `test`, the last two made if missing."""
    for kind, part in parts.items():
        labels = np.unique(part.labels)
        if labels[0] < 0 or labels[-1] >= classes or classes < 2:
            raise ValueError(
                "Labels are whole numbers from 0, of two classes or more; a part without labels "
                f"has -1 in some sets. Received: {labels[0]} to {labels[-1]}, in {kind} of {name}"
            )
    train = parts["train"]
    if "test" not in parts:
        train, parts["test"] = split(train, TEST_SHARE)
    if "validation" not in parts:
        train, parts["validation"] = split(train, VALIDATION_SHARE)
    return Dataset(name, train, parts["validation"], parts["test"], classes)


def split(part: Part, share: float) -> tuple[Part, Part]:
    """The same two parts each time, of which the second has this share of each class."""
    from sklearn.model_selection import train_test_split

    counts = np.bincount(part.labels)
    counts = counts[counts > 0]
    held_out = round(share * len(part))
    if not 0 < held_out < len(part):
        raise ValueError(
            f"Too few images to hold out a share of {share:g}. Received: {len(part)} images"
        )
    # Of very small classes no share of each can be had.
    stratify = part.labels if counts.min() > 1 and held_out >= len(counts) else None
    kept, held = train_test_split(
        np.arange(len(part)), test_size=held_out, stratify=stratify, random_state=0
    )
    return part.take(kept), part.take(held)


def in_memory(images: np.ndarray, labels: np.ndarray) -> Part:
    """The part of arrays."""
    return Part(labels.astype("int64"), lambda places: images[places])


def fits_in_memory(values: float) -> bool:
    """Whether so many bytes are a fair share of this machine's memory."""
    return values <= MEMORY_SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
