"""Image files as a network takes them, and the classes that it finds in them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from keraskip.export.network.preprocessing import Preprocessing
from keraskip.images import read_image

MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def read_picture(file: str | Path, shape: Sequence[int | None], steps: Preprocessing) -> np.ndarray:
    """An image file as a network takes it, `[1, height, width, channels]`.

    Args:
        file: an image, as `keraskip.images.read_image` reads it.
        shape: height, width and channels of the network's input; the first two may be None.
        steps: how images are prepared for the network.

    Raises:
        ValueError: for a network of another number of channels, a file that is no whole image, and
            one that is too large.
        FileNotFoundError: for a missing file.
    """
    height, width, channels = shape
    if channels not in MODES:
        raise ValueError(f"Image files have 1, 3 or 4 channels. Received: a network of {channels}")
    pixels = np.asarray(read_image(file, MODES[channels]))
    return steps(pixels.reshape(1, *pixels.shape[:2], -1), (height, width))


def best_classes(
    scores: np.ndarray, names: Sequence[str] | None, top_k: int
) -> list[tuple[str, float]]:
    """The classes with the highest scores, the best first; numbers where there are no names."""
    names = names or [str(number) for number in range(len(scores))]
    return [(names[number], float(scores[number])) for number in np.argsort(-scores)[:top_k]]
