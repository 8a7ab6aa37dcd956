"""Convolution, normalisation and activation in one style, as functions from tensor to tensor."""

import math
import random
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import keras
import numpy as np
from keras import layers

from keraskip.checks import check_choice, check_usable
from keraskip.models.choices import CONVENTIONS, NORMALIZATIONS

# Momentum and epsilon of batch normalisation. The authors of He 2016 and of DenseNet have the first
# pair in their Torch code. Keras' default momentum of 0.99 leaves the moving averages useless after
# a short run.
BATCH_NORM = {"paper": (0.9, 1e-5), "keras": (0.99, 1.001e-5)}
# He et al. 2015b (arXiv 1502.01852), which all the papers follow; Keras' default is Glorot's.
INITIALIZER = {"paper": "he_normal", "keras": "glorot_uniform"}
# Wu & He 2018 (arXiv 1803.08494), section 3.
GROUPS = 32
GROUP_NORM_EPSILON = 1e-5

# Which convolutions of a normalised network have a bias.
BIASES = ("none", "all", "unless normalised next")

Activation: TypeAlias = "str | Callable | None"
Initializer: TypeAlias = "str | keras.initializers.Initializer | None"


@dataclass(frozen=True)
class Style:
    """The settings that all layers of one network share."""

    activation: Activation
    normalization: str | None
    kernel_initializer: Initializer
    conventions: str = "paper"
    bias: str = BIASES[0]

    def __post_init__(self) -> None:
        check_choice("normalization", self.normalization, NORMALIZATIONS)
        check_choice("conventions", self.conventions, CONVENTIONS)
        if self.kernel_initializer is None:
            object.__setattr__(self, "kernel_initializer", INITIALIZER[self.conventions])
        check_usable("activation", self.activation, try_activation, keras.activations)
        check_usable(
            "kernel_initializer", self.kernel_initializer, _try_initializer, keras.initializers
        )

    def initializer(self, layer_name: str) -> keras.initializers.Initializer:
        """The initializer of one layer's kernel.

        Keras seeds an initializer object once, so all kernels of one shape would start out the
        same. The layer's name in the seed makes them differ.
        """
        initializer = keras.initializers.get(self.kernel_initializer)
        config: dict = getattr(initializer, "get_config", dict)()
        if isinstance(self.kernel_initializer, str) or not isinstance(config.get("seed"), int):
            return initializer
        seed = (config["seed"] + zlib.crc32(layer_name.encode())) % 2**31
        return type(initializer).from_config({**config, "seed": seed})


def channel_axis() -> int:
    """The axis of a map's channels, by `keras.config.image_data_format()`."""
    return 1 if keras.config.image_data_format() == "channels_first" else -1


def channels(x) -> int:
    """The number of maps in `x`."""
    return x.shape[channel_axis()]


def convolve(
    x, filters: int, size: int, style: Style, name: str, strides: int = 1, normalized: bool = True
):
    """A convolution that keeps the map's size, or divides it by `strides`.

    A strided convolution is padded alike on every side, as in the authors' Torch code. Keras'
    `"same"` pads only below and to the right: the kernel would be centred one pixel beside the
    pixel that the identity shortcut takes.

    `normalized` says that a normalisation follows at once.
    """
    if strides > 1 and size > 1:
        x = layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(x)
    # Normalisation subtracts a bias together with the mean, and its beta replaces the bias.
    biased = style.bias == "all" or (style.bias != "none" and not normalized)
    return layers.Conv2D(
        filters,
        size,
        strides=strides,
        padding="valid" if strides > 1 else "same",
        use_bias=biased or style.normalization is None,
        kernel_initializer=style.initializer(name),
        name=name,
    )(x)


def normalize(x, style: Style, name: str, gamma_initializer: str = "ones"):
    """The style's normalisation, if it has one.

    Group normalisation has 32 groups, or the greatest common divisor of 32 and the number of
    maps. Layer normalisation is group normalisation with one group, over all maps and pixels of
    an image (Wu & He 2018, Fig. 2).
    """
    common = {"axis": channel_axis(), "gamma_initializer": gamma_initializer, "name": name}
    if style.normalization == "batch":
        momentum, epsilon = BATCH_NORM[style.conventions]
        return layers.BatchNormalization(momentum=momentum, epsilon=epsilon, **common)(x)
    if style.normalization is None:
        return x
    groups = math.gcd(GROUPS, channels(x)) if style.normalization == "group" else 1
    return layers.GroupNormalization(groups, epsilon=GROUP_NORM_EPSILON, **common)(x)


def activate(x, style: Style, name: str):
    """The style's activation."""
    return layers.Activation(style.activation, name=name)(x)


def preactivate(x, style: Style, name: str, index: str = ""):
    """Normalisation, then activation: the order of pre-activation networks."""
    x = normalize(x, style, f"{name}_norm{index}")
    return activate(x, style, f"{name}_act{index}")


def try_activation(activation: Activation, shape: tuple[int, ...] = (1, 2, 2, 2)) -> None:
    """Raises an error unless the activation is a function that keeps this shape."""
    if isinstance(activation, layers.Layer):
        raise TypeError("A layer is built for one shape; pass a function.")
    activated = tuple(keras.activations.get(activation)(keras.ops.zeros(shape)).shape)
    if activated != shape:
        raise ValueError(f"It turns the shape {shape} into {activated}.")


def check_one_class(activation: Activation) -> None:
    """Refuses an activation that turns any single number into the same one, as softmax does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras warns of such a softmax, too.
        outputs = keras.activations.get(activation)(keras.ops.linspace(-10.0, 10.0, 41)[:, None])
    values = keras.ops.convert_to_numpy(outputs).astype("float32").ravel()
    # A softmax may round.
    if np.allclose(values, values[0], rtol=1e-5, atol=0):
        raise ValueError(
            "A classifier of one class needs an activation of single numbers; this one gives "
            f"{values[0]:g} for every image. Received: classes=1, "
            f"classifier_activation={activation!r} (nearest: 'sigmoid', or classes=2)"
        )


def _try_initializer(initializer: Initializer) -> None:
    # Making an initializer draws a random seed. Restoring the state keeps the layers' seeds.
    state = random.getstate()
    keras.initializers.get(initializer)((3, 3, 2, 2), dtype="float32")
    random.setstate(state)
