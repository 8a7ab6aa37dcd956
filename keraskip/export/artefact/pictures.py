"""Image files as a network takes them, and the classes that it finds in them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from keraskip.export.network.preprocessing import Preprocessing

MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def read_picture(file: str | Path, shape: Sequence[int | None], steps: Preprocessing) -> np.ndarray:
    """An image file as a network takes it, `[1, height, width, channels]`.

    Args:
        file: any format that Pillow reads.
        shape: height, width and channels of the network's input; the first two may be None.
        steps: how images are prepared for the network.
    """
    from PIL import Image

    height, width, channels = shape
    if channels not in MODES:
        raise ValueError(f"Image files have 1, 3 or 4 channels. Received: a network of {channels}")
    with Image.open(file) as image:
        pixels = np.asarray(image.convert(MODES[channels]))
    return steps(pixels.reshape(1, *pixels.shape[:2], -1), (height, width))


def best_classes(
    scores: np.ndarray, names: Sequence[str] | None, top_k: int
) -> list[tuple[str, float]]:
    """The classes with the highest scores, the best first; numbers where there are no names."""
    names = names or [str(number) for number in range(len(scores))]
    return [(names[number], float(scores[number])) for number in np.argsort(-scores)[:top_k]]
