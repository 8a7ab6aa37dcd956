"""The content of each batch, as a function of seed, epoch and step.

So all trials of a study see the same batches on any backend, and a training that continues after
an interruption sees the same batches as one without.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

import numpy as np

from keraskip.checks import check_choices, check_integer
from keraskip.data.parts import Dataset, Part

AUGMENTATIONS = ("crop", "flip")


@dataclass(frozen=True, eq=False)
class Batches:
    """The batches of one part of a data set.

    Attributes:
        part: the images.
        mean, deviation: numbers for each channel [channels], to subtract and to divide by.
        size: images in a batch.
        seed: seed of order and augmentation; each epoch then has full batches only. None for all
            images in their order.
        augment: any of `"crop"`, which pads by an eighth of the side (4 pixels of 32) and cuts
            out the old size at a random position, and `"flip"`, which mirrors an image with
            probability 1/2 (He et al. 2015, section 4.2).
        share: index of this process, and how many processes share each batch.

    Raises:
        TypeError: if size or seed is no integer.
        ValueError: for a size below 1, a seed below 0 or an unknown augmentation.
    """

    part: Part
    mean: np.ndarray
    deviation: np.ndarray
    size: int
    seed: int | None = None
    augment: Sequence[str] = ()
    share: tuple[int, int] = (0, 1)

    def __post_init__(self) -> None:
        check_integer("size", self.size, minimum=1)
        if self.seed is not None:
            check_integer("seed", self.seed, minimum=0)
        check_choices("augment", self.augment, AUGMENTATIONS)

    @property
    def steps(self) -> int:
        """How many batches there are in an epoch."""
        count = len(self.part) / self.size
        return int(np.ceil(count) if self.seed is None else count)

    def at(self, epoch: int, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Images [n, height, width, channels], float32, and labels [n] of one batch."""
        indices = _order(len(self.part), self.seed, epoch)[step * self.size :][: self.size]
        process, processes = self.share
        # As many images for each process.
        own = slice(*(len(indices) // processes * end for end in (process, process + 1)))
        images = self.part.read(indices[own]).astype("float32")
        images -= self.mean
        images /= self.deviation
        if self.augment and self.seed is not None:
            # Drawn for the whole batch, so that several processes make the images that one makes.
            draws = np.random.default_rng([self.seed, epoch, step]).random((len(indices), 3))
            images = _augmented(images, draws[own], self.augment)
        return np.ascontiguousarray(images), self.part.labels[indices[own]]


def batches_of(data: Dataset, part: str, size: int, share: tuple[int, int] = (0, 1)) -> Batches:
    """All images of one part of a data set in their order, normalised by its training part."""
    return Batches(getattr(data, part), *data.mean_and_deviation, size, share=share)


def digest(images: np.ndarray, labels: np.ndarray) -> bytes:
    """A short hash of a batch."""
    both = blake2b(images.tobytes(), digest_size=16)
    both.update(labels.tobytes())
    return both.digest()


@lru_cache(maxsize=4)
def _order(images: int, seed: int | None, epoch: int) -> np.ndarray:
    if seed is None:
        return np.arange(images)
    return np.random.default_rng([seed, epoch]).permutation(images)


def _augmented(images: np.ndarray, draws: np.ndarray, augment: Sequence[str]) -> np.ndarray:
    """Shifted and mirrored images, by three random numbers from 0 to 1 for each."""
    height, width = images.shape[1:3]
    if "crop" in augment:
        margin = max(1, round(min(height, width) / 8))
        rows, columns = (draws[:, :2] * (2 * margin + 1)).astype(int).T
        # The images are normalised, so 0 is the mean.
        padded = np.pad(images, ((0, 0), (margin, margin), (margin, margin), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(1, 2))
        images = windows[np.arange(len(images)), rows, columns].transpose(0, 2, 3, 1)
    if "flip" in augment:
        mirrored = draws[:, 2, None, None, None] < 0.5
        images = np.where(mirrored, images[:, :, ::-1], images)
    return images
