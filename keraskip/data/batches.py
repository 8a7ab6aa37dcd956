"""Which images are in a batch, and how they are prepared: a function of seed, epoch and step.

So all trials of a study see the same batches, on any backend, and a training that goes on after an
epoch sees those that it would have seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

import numpy as np

from keraskip.data.parts import Dataset, Part

AUGMENTATIONS = ("crop", "flip")


@dataclass(frozen=True, eq=False)
class Batches:
    """The batches of one part of a data set.

    Attributes:
        part: the images.
        mean, deviation: of each channel [channels], to subtract and to divide by.
        size: images in a batch.
        seed: of order and augmentation, where an epoch leaves out what does not fill a batch;
            None for all images in their order.
        augment: any of `"crop"`, which pads by an eighth of the side (4 pixels of 32) and cuts
            the old size out anywhere, and `"flip"`, which mirrors every other image (He et al.
            2015, section 4.2).
        share: which of how many processes reads its part of each batch.
    """

    part: Part
    mean: np.ndarray
    deviation: np.ndarray
    size: int
    seed: int | None = None
    augment: Sequence[str] = ()
    share: tuple[int, int] = (0, 1)

    @property
    def steps(self) -> int:
        """How many batches there are in an epoch."""
        count = len(self.part) / self.size
        return int(np.ceil(count) if self.seed is None else count)

    def at(self, epoch: int, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Images [n, height, width, channels], float32, and labels [n] of one batch."""
        places = _order(len(self.part), self.seed, epoch)[step * self.size :][: self.size]
        process, processes = self.share
        # As many for each process.
        own = slice(*(len(places) // processes * end for end in (process, process + 1)))
        images = self.part.read(places[own]).astype("float32")
        images -= self.mean
        images /= self.deviation
        if self.augment and self.seed is not None:
            # Drawn for the whole batch, so that processes see together what one would see.
            draws = np.random.default_rng([self.seed, epoch, step]).random((len(places), 3))
            images = _augmented(images, draws[own], self.augment)
        return np.ascontiguousarray(images), self.part.labels[places[own]]


def batches_of(data: Dataset, part: str, size: int, share: tuple[int, int] = (0, 1)) -> Batches:
    """All images of one part of a data set in their order, normalised by its training part."""
    return Batches(getattr(data, part), *data.mean_and_deviation, size, share=share)


def digest(images: np.ndarray, labels: np.ndarray) -> bytes:
    """A short number that another batch does not have."""
    found = blake2b(images.tobytes(), digest_size=16)
    found.update(labels.tobytes())
    return found.digest()


@lru_cache(maxsize=4)
def _order(images: int, seed: int | None, epoch: int) -> np.ndarray:
    if seed is None:
        return np.arange(images)
    return np.random.default_rng([seed, epoch]).permutation(images)


def _augmented(images: np.ndarray, draws: np.ndarray, augment: Sequence[str]) -> np.ndarray:
    """Shifted and mirrored images, by three numbers from 0 to 1 for each."""
    height, width = images.shape[1:3]
    if "crop" in augment:
        margin = max(1, round(min(height, width) / 8))
        rows, columns = (draws[:, :2] * (2 * margin + 1)).astype(int).T
        # What is added is 0, the mean.
        padded = np.pad(images, ((0, 0), (margin, margin), (margin, margin), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(1, 2))
        images = windows[np.arange(len(images)), rows, columns].transpose(0, 2, 3, 1)
    if "flip" in augment:
        mirrored = draws[:, 2, None, None, None] < 0.5
        images = np.where(mirrored, images[:, :, ::-1], images)
    return images
