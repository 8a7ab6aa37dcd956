"""Turns an image of a camera or a file into the input of a network."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keraskip.checks import check_choice, check_number, check_rate
from keraskip.models.origin import KERAS_MODES, of_mode, origin_of
from keraskip.runs import INFO_FILE, read_info

if TYPE_CHECKING:
    import keras

ORDERS = ("rgb", "bgr")
# By name, what Pillow and TensorFlow call it. Both average over pixels where they make smaller.
INTERPOLATIONS = {"bicubic": ("BICUBIC", "keyscubic"), "bilinear": ("BILINEAR", "triangle")}


@dataclass(frozen=True)
class Preprocessing:
    """The steps that prepare an image of numbers from 0 to 255 for a network.

    The image is cropped around its middle to the aspect ratio of the network's input and scaled to
    its size, by default as by Pillow's `ImageOps.fit` and by `keraskip.data` for folders. Then
    each channel becomes `(image - mean) / deviation`.

    Args:
        mean: mean of each channel, or one number for all; from 0 to 255.
        deviation: divisor of each channel, or one number for all.
        channel_order: `"rgb"`, or `"bgr"` for networks that take blue first; mean and deviation
            are in this order.
        crop: share of height and width to keep of the largest such crop, in (0, 1]. torchvision
            scales the shorter side to 256 pixels and keeps 224, a share of 0.875.
        interpolation: `"bicubic"` or `"bilinear"`.

    Raises:
        TypeError: for a mean, deviation or crop that is no number.
        ValueError: for numbers that are not finite, a deviation of 0 or below, another order,
            crop or interpolation.

    Example:

    >>> white = np.full((1, 2, 2, 1), 255, "uint8")
    >>> float(Preprocessing(mean=127.5, deviation=127.5)(white, (2, 2)).max())
    1.0
    """

    mean: float | Sequence[float] = 0.0
    deviation: float | Sequence[float] = 1.0
    channel_order: str = "rgb"
    crop: float = 1.0
    interpolation: str = "bicubic"

    def __post_init__(self) -> None:
        for name, above in {"mean": -inf, "deviation": 0}.items():
            for number in np.ravel(np.asarray(getattr(self, name), object)):
                check_number(name, number, above=above)
            object.__setattr__(self, name, np.asarray(getattr(self, name), float).tolist())
        check_choice("channel_order", self.channel_order, ORDERS)
        check_rate("crop", self.crop, zero=False)
        check_choice("interpolation", self.interpolation, tuple(INTERPOLATIONS))

    @classmethod
    def of_keras(cls, mode: str) -> "Preprocessing":
        """The preprocessing of `keras.applications`.

        Args:
            mode: `"caffe"`, as for ResNet, `"tf"`, as for ResNet V2, or `"torch"`, as for DenseNet.

        Raises:
            ValueError: for another mode.
        """
        check_choice("mode", mode, tuple(KERAS_MODES))
        return cls(**of_mode(mode))

    @classmethod
    def of_model(cls, model: "keras.Model") -> "Preprocessing":
        """The preprocessing that came with the weights of a model.

        It is known of the model object that was built, and of its copy by
        `keraskip.fold_batch_norm`. A copy by saving and loading, by `keras.models.clone_model` or
        by `keraskip.add_skips` does not have it. Training leaves it as it is, also where the new
        images are prepared otherwise.

        Args:
            model: a model that was built in this process with weights that have a name, such as
                `weights="imagenet"` or `"fashion_mnist"`, and without `input_tensor`.

        Raises:
            TypeError: for what is no Keras model.
            ValueError: for a model whose images are not known.
        """
        import keras

        if origin := origin_of(model):
            return cls(**origin.preprocessing)
        if not isinstance(model, keras.Model):
            raise TypeError(f"model must be a keras.Model. Received: {type(model).__name__}")
        raise ValueError(
            "The images of a model are known if it was built in this process with weights that "
            "have a name, such as weights='imagenet', and without input_tensor. "
            f"Received: model {model.name!r}"
        )

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
        if None in size:
            x = np.asarray(images, "float32")
        else:
            x = np.stack([self._fitted(image, size) for image in np.asarray(images)])
        return (self._ordered(x) - self._mean) / self._deviation

    def in_graph(self, images: Any, size: tuple[int | None, int | None]) -> Any:
        """The same as operations of TensorFlow."""
        import tensorflow as tf

        x = tf.cast(images, tf.float32)
        if None not in size:
            x = self._fitted_in_graph(x, size)
        return (self._ordered(x) - self._mean) / self._deviation

    def _ordered(self, images: Any) -> Any:
        return images if self.channel_order == "rgb" else images[..., ::-1]

    @property
    def _mean(self) -> np.ndarray:
        return np.asarray(self.mean, "float32")

    @property
    def _deviation(self) -> np.ndarray:
        return np.asarray(self.deviation, "float32")

    def _fitted(self, image: np.ndarray, size: tuple) -> np.ndarray:
        """The middle of an image, scaled to height and width by Pillow; float32, 0 to 255."""
        from PIL import Image

        channels = np.moveaxis(image, -1, 0)
        height, width = size
        box = _box(image.shape[0], image.shape[1], height, width, self.crop)
        filter = Image.Resampling[INTERPOLATIONS[self.interpolation][0]]
        scaled = [
            # In float32 one channel at a time: a large photo takes four times its size.
            np.asarray(
                Image.fromarray(channel.astype("float32")).resize((width, height), filter, box)
            )
            for channel in channels
        ]
        return np.clip(np.stack(scaled, axis=-1), 0, 255)

    def _fitted_in_graph(self, images: Any, size: tuple) -> Any:
        import tensorflow as tf

        wanted = tf.constant(size, tf.float32)
        sides = tf.cast(tf.shape(images)[1:3], tf.float32)
        scale = tf.reduce_max(wanted / sides) / self.crop
        middle = (sides - wanted / scale) / 2
        scaled = tf.raw_ops.ScaleAndTranslate(
            images=images,
            size=size,
            scale=tf.stack([scale, scale]),
            translation=-middle * scale,
            kernel_type=INTERPOLATIONS[self.interpolation][1],
            antialias=True,
        )
        return tf.clip_by_value(scaled, 0.0, 255.0)


def preprocessing_of_run(folder: str | Path) -> Preprocessing | None:
    """The preprocessing of a run's training images; None if the folder does not tell it."""
    if not (Path(folder) / INFO_FILE).is_file():
        return None
    known = read_info(folder).get("normalization")
    return known and preprocessing_of(known["mean"], known["deviation"], known["white"])


def preprocessing_of(mean: Any, deviation: Any, white: float) -> Preprocessing:
    """The preprocessing of images that were normalised on a scale from 0 to `white`."""
    scale = 255 / white
    return Preprocessing(np.multiply(mean, scale).tolist(), np.multiply(deviation, scale).tolist())


def _box(height: int, width: int, wanted_height: int, wanted_width: int, crop: float) -> tuple:
    """Left, upper, right and lower edge of the middle of the wanted shape.

    It is the largest such rectangle, or a share of it.
    """
    scale = min(height / wanted_height, width / wanted_width) * crop
    high, wide = wanted_height * scale, wanted_width * scale
    top, left = (height - high) / 2, (width - wide) / 2
    return left, top, left + wide, top + high
