"""The frame around the stages of every network: images, stem, head and the finished model."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
from keras import layers

from keraskip.checks import check_choice, check_flag, check_integer, check_usable
from keraskip.models.large_graphs import connect
from keraskip.models.styled_layers import (
    Activation,
    Style,
    activate,
    channel_axis,
    convolve,
    normalize,
    try_activation,
)

STEMS = ("small", "imagenet")
POOLINGS = (None, "avg", "max")
# By stem. He et al. 2015, section 4.2 (CIFAR-10) and Table 1 (ImageNet).
SIDE = {"small": 32, "imagenet": 224}
CLASSES = {"small": 10, "imagenet": 1000}
# The stem divides height and width by this, rounding up.
REDUCTION = {"small": 1, "imagenet": 4}


@dataclass(frozen=True)
class Frame:
    """The arguments that all builders share, checked and with their defaults."""

    stem: str
    input_shape: Any
    input_tensor: Any
    include_top: bool
    pooling: str | None
    classes: int | None
    classifier_activation: Activation
    name: str | None

    def __post_init__(self) -> None:
        check_choice("stem", self.stem, STEMS)
        check_flag("include_top", self.include_top)
        check_choice("pooling", self.pooling, POOLINGS)
        if self.include_top and self.pooling is not None:
            raise ValueError(
                "pooling is for include_top=False; a classifier always averages. "
                f"Received: pooling={self.pooling!r}, include_top=True (nearest: pooling=None)"
            )
        if self.classes is not None:
            object.__setattr__(self, "classes", check_integer("classes", self.classes, minimum=1))
        check_usable(
            "classifier_activation",
            self.classifier_activation,
            partial(try_activation, shape=(1, 2)),
            keras.activations,
        )
        if not isinstance(self.name, str | None):
            raise TypeError(f"name must be a string. Received: name={self.name!r}")
        if self.name is not None and (not self.name or "/" in self.name):
            raise ValueError(
                f"name must not be empty and have no slash. Received: name={self.name!r} "
                f"(nearest: {self.name.replace('/', '_') or None!r})"
            )

    def check_size(self, smallest_map: int) -> None:
        """Refuse images whose maps, after the stem, have fewer pixels than the stages need."""
        shape = self._image_shape()
        smallest = REDUCTION[self.stem] * (smallest_map - 1) + 1
        spatial = shape[1:] if channel_axis() == 1 else shape[:-1]
        if any(side is not None and side < smallest for side in spatial):
            raise ValueError(
                f"Images of this network must be at least {smallest} pixels high and wide. "
                f"Received: input_shape={shape} (nearest: {smallest})"
            )

    @property
    def image_channels(self) -> int:
        """Number of channels of an image."""
        return self._image_shape()[_channel_index()]

    def images(self):
        """The symbolic tensor that the stem takes."""
        if self.input_tensor is None:
            return keras.Input(self._image_shape(), name="images")
        return self.input_tensor

    def apply_stem(self, x, filters: int, style: Style, activated: bool = True):
        """For small images one 3x3 convolution, for ImageNet 7x7 and pooling.

        With `activated=False` the stages begin with normalisation and activation themselves.
        """
        is_small = self.stem == "small"
        size, strides = (3, 1) if is_small else (7, 2)
        x = convolve(x, filters, size, style, "stem_conv", strides, normalized=activated)
        if activated:
            x = normalize(x, style, "stem_norm")
            x = activate(x, style, "stem_act")
        if is_small:
            return x
        x = layers.ZeroPadding2D(1, name="stem_pool_pad")(x)
        return layers.MaxPooling2D(3, strides=2, name="stem_pool")(x)

    def apply_head(self, x, style: Style):
        """Pooling and the classifier, if the network has them."""
        if self.include_top or self.pooling == "avg":
            x = layers.GlobalAveragePooling2D(name="head_pool")(x)
        elif self.pooling == "max":
            x = layers.GlobalMaxPooling2D(name="head_pool")(x)
        if self.include_top:
            # In half precision a softmax loses the small probabilities: the classifier computes
            # in the type of its weights, which mixed precision keeps in float32.
            x = layers.Dense(
                self.classes or CLASSES[self.stem],
                activation=self.classifier_activation,
                kernel_initializer=style.initializer("predictions"),
                dtype=keras.config.dtype_policy().variable_dtype,
                name="predictions",
            )(x)
        return x

    def model(self, images, x, default_name: str) -> keras.Model:
        """The model from the images, or from the sources of `input_tensor`, to `x`."""
        if self.input_tensor is not None:
            sources = keras.utils.get_source_inputs(self.input_tensor)
            images = sources[0] if len(sources) == 1 else sources
        return connect(images, x, self.name or default_name)

    def _image_shape(self) -> tuple:
        """The shape of one image, checked."""
        if self.input_tensor is not None:
            return self._shape_of_tensor()
        if self.input_shape is None:
            side = SIDE[self.stem]
            return (3, side, side) if channel_axis() == 1 else (side, side, 3)
        return _check_shape(self.input_shape)

    def _shape_of_tensor(self) -> tuple:
        tensor = self.input_tensor
        if not isinstance(tensor, keras.KerasTensor):
            raise TypeError(
                "input_tensor must be a symbolic tensor, such as keras.Input makes. "
                f"Received: input_tensor of type {type(tensor).__name__}"
            )
        if not keras.backend.is_float_dtype(tensor.dtype):
            raise TypeError(
                f"input_tensor must hold floating-point numbers. Received: dtype={tensor.dtype}"
            )
        shape = _check_shape(tuple(tensor.shape[1:]))
        if self.input_shape is not None and _check_shape(self.input_shape) != shape:
            raise ValueError(
                "input_shape must agree with input_tensor, or be None. Received: "
                f"input_shape={self.input_shape}, input_tensor of shape {tuple(tensor.shape)}"
            )
        return shape


def _channel_index() -> int:
    """The index of the channels in the shape of one image."""
    return 0 if channel_axis() == 1 else -1


def _check_shape(shape: Any) -> tuple:
    """The shape as a tuple. Height and width may be None, the channels may not."""
    if not isinstance(shape, list | tuple):
        raise TypeError(
            f"input_shape must be a tuple of three integers. Received: input_shape={shape!r}"
        )
    if len(shape) != 3 or shape[_channel_index()] is None:
        order = "(channels, height, width)" if channel_axis() == 1 else "(height, width, channels)"
        raise ValueError(
            f"input_shape must be {order}; only height and width may be None. "
            f"Received: input_shape={tuple(shape)}"
        )
    return tuple(
        None if side is None else check_integer(f"input_shape[{index}]", side, minimum=1)
        for index, side in enumerate(shape)
    )
