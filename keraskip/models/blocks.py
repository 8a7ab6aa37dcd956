"""The pieces every network is made of: functions from tensor to tensor, and their constants."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import keras
from keras import layers

# ResNet and DenseNet were trained in Torch, whose batch normalisation has these two constants.
# Keras' own momentum of 0.99 leaves the moving averages useless after a short run.
BN_MOMENTUM = 0.9
BN_EPSILON = 1e-5

NORMALIZATIONS = ("batch", None)

Activation: TypeAlias = "str | Callable | None"
Initializer: TypeAlias = "str | keras.initializers.Initializer"


@dataclass(frozen=True)
class Style:
    """What all layers of one network have in common."""

    activation: Activation
    normalization: str | None
    kernel_initializer: Initializer

    def __post_init__(self) -> None:
        check_choice("normalization", self.normalization, NORMALIZATIONS)
        keras.activations.get(self.activation)
        keras.initializers.get(self.kernel_initializer)

    def initializer(self, layer_name: str) -> keras.initializers.Initializer:
        """The initializer of one layer's kernel.

        Keras seeds an initializer object once, so that every kernel of one shape would start out
        the same; here the layer's name enters the seed.
        """
        initializer = keras.initializers.get(self.kernel_initializer)
        config = initializer.get_config()
        if isinstance(self.kernel_initializer, str) or not isinstance(config.get("seed"), int):
            return initializer
        seed = (config["seed"] + zlib.crc32(layer_name.encode())) % 2**31
        return type(initializer).from_config({**config, "seed": seed})


def check_choice(argument: str, value: object, choices: tuple) -> None:
    """ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{argument} must be one of {choices}. Received: {argument}={value!r}")


def convolve(x, filters: int, size: int, style: Style, name: str, strides: int = 1):
    """A convolution that keeps the map's size, or divides it by `strides`.

    A strided 3x3 convolution is padded by one on every side, as in the papers' Torch code. Keras'
    own "same" would pad only below and to the right, and so look one pixel beside the one that
    the identity shortcut takes.
    """
    if strides > 1 and size > 1:
        x = layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(x)
    return layers.Conv2D(
        filters,
        size,
        strides=strides,
        padding="valid" if strides > 1 else "same",
        # Normalisation subtracts the mean and a bias with it; its beta takes over.
        use_bias=style.normalization is None,
        kernel_initializer=style.initializer(name),
        name=name,
    )(x)


def normalize(x, style: Style, name: str):
    """The style's normalisation, or nothing."""
    if style.normalization is None:
        return x
    return layers.BatchNormalization(momentum=BN_MOMENTUM, epsilon=BN_EPSILON, name=name)(x)


def activate(x, style: Style, name: str):
    """The style's activation."""
    return layers.Activation(style.activation, name=name)(x)


def preactivate(x, style: Style, name: str, index: str = ""):
    """Normalisation, then activation: the order of pre-activation networks."""
    x = normalize(x, style, f"{name}_norm{index}")
    return activate(x, style, f"{name}_act{index}")


def classify(x, classes: int, classifier_activation: Activation, style: Style):
    """Global average pooling and a dense classifier.

    The classifier computes in float32: in half precision a softmax loses the small probabilities.
    """
    x = layers.GlobalAveragePooling2D(name="head_pool")(x)
    return layers.Dense(
        classes,
        activation=classifier_activation,
        kernel_initializer=style.initializer("predictions"),
        dtype="float32",
        name="predictions",
    )(x)
