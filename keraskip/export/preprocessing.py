"""Turns an image of a camera or a file into the input of a network."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

from keraskip.checks import check_choice, check_number

ORDERS = ("rgb", "bgr")
# The modes of `keras.applications.imagenet_utils.preprocess_input`: mean and divisor of each
# channel, on the scale of 0 to 255, and the order of the channels.
KERAS_MODES = {
    "caffe": ((103.939, 116.779, 123.68), (1.0, 1.0, 1.0), "bgr"),
    "tf": ((127.5, 127.5, 127.5), (127.5, 127.5, 127.5), "rgb"),
    "torch": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375), "rgb"),
}


@dataclass(frozen=True)
class Preprocessing:
    """The steps that prepare an image of numbers from 0 to 255 for a network.

    The image is cropped around its middle to the aspect ratio of the network's input and scaled to
    its size by bicubic interpolation, as by Pillow's `ImageOps.fit` and by `keraskip.data` for
    folders. Then each channel becomes `(image - mean) / deviation`.

    Args:
        mean: mean of each channel, or one number for all; from 0 to 255.
        deviation: divisor of each channel, or one number for all.
        channel_order: `"rgb"`, or `"bgr"` for networks that take blue first; mean and deviation
            are in this order.

    Raises:
        TypeError: for a mean or deviation that is no number.
        ValueError: for numbers that are not finite, a deviation of 0 or below, or another order.

    Example:

    >>> white = np.full((1, 2, 2, 1), 255, "uint8")
    >>> float(Preprocessing(mean=127.5, deviation=127.5)(white, (2, 2)).max())
    1.0
    """

    mean: float | Sequence[float] = 0.0
    deviation: float | Sequence[float] = 1.0
    channel_order: str = "rgb"

    def __post_init__(self) -> None:
        for name, above in {"mean": -inf, "deviation": 0}.items():
            for number in np.ravel(np.asarray(getattr(self, name), object)):
                check_number(name, number, above=above)
            object.__setattr__(self, name, np.asarray(getattr(self, name), float).tolist())
        check_choice("channel_order", self.channel_order, ORDERS)

    @classmethod
    def of_keras(cls, mode: str) -> "Preprocessing":
        """The preprocessing of `keras.applications`.

        Args:
            mode: `"caffe"`, as for ResNet, `"tf"`, as for ResNet V2, or `"torch"`, as for DenseNet.

        Raises:
            ValueError: for another mode.
        """
        check_choice("mode", mode, tuple(KERAS_MODES))
        return cls(*KERAS_MODES[mode])

    def check_channels(self, channels: int) -> None:
        """ValueError unless mean and deviation fit images of `channels` channels."""
        for name in ("mean", "deviation"):
            count = np.size(getattr(self, name))
            if count not in (1, channels):
                raise ValueError(
                    f"{name} must be one number, or one for each channel of the network. "
                    f"Received: {count} for {channels} channels"
                )

    def __call__(self, images: np.ndarray, size: tuple[int | None, int | None]) -> np.ndarray:
        """The prepared images, from `[batch, height, width, channels]` of one size.

        They keep their size where `size` is open.
        """
        x = np.asarray(images, "float32")
        if None not in size:
            x = np.stack([fitted(image, size) for image in x])
        return (self._ordered(x) - self._mean) / self._deviation

    def in_graph(self, images: Any, size: tuple[int | None, int | None]) -> Any:
        """The same as operations of TensorFlow."""
        import tensorflow as tf

        x = tf.cast(images, tf.float32)
        if None not in size:
            x = _fitted_in_graph(x, size)
        return (self._ordered(x) - self._mean) / self._deviation

    def _ordered(self, images: Any) -> Any:
        return images if self.channel_order == "rgb" else images[..., ::-1]

    @property
    def _mean(self) -> np.ndarray:
        return np.asarray(self.mean, "float32")

    @property
    def _deviation(self) -> np.ndarray:
        return np.asarray(self.deviation, "float32")


def fitted(image: np.ndarray, size: tuple) -> np.ndarray:
    """The middle of an image, scaled to height and width by Pillow; float32, 0 to 255."""
    from PIL import Image

    channels = np.moveaxis(image.astype("float32"), -1, 0)
    height, width = size
    box = _box(*image.shape[:2], *size)
    scaled = [
        np.asarray(Image.fromarray(channel).resize((width, height), Image.Resampling.BICUBIC, box))
        for channel in channels
    ]
    return np.clip(np.stack(scaled, axis=-1), 0, 255)


def _box(height: int, width: int, wanted_height: int, wanted_width: int) -> tuple:
    """Left, upper, right and lower edge of the largest centred crop of the wanted shape."""
    scale = min(height / wanted_height, width / wanted_width)
    high, wide = wanted_height * scale, wanted_width * scale
    top, left = (height - high) / 2, (width - wide) / 2
    return left, top, left + wide, top + high


def _fitted_in_graph(images: Any, size: tuple) -> Any:
    import tensorflow as tf

    wanted = tf.constant(size, tf.float32)
    sides = tf.cast(tf.shape(images)[1:3], tf.float32)
    scale = tf.reduce_max(wanted / sides)
    middle = (sides - wanted / scale) / 2
    scaled = tf.raw_ops.ScaleAndTranslate(
        images=images,
        size=size,
        scale=tf.stack([scale, scale]),
        translation=-middle * scale,
        kernel_type="keyscubic",
        antialias=True,
    )
    return tf.clip_by_value(scaled, 0.0, 255.0)
