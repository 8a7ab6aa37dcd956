"""The frame around the stages of every network: images, stem, head and the finished model."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
from keras import layers

from keraskip.checks import check_choice, check_flag, check_integer, check_usable
from keraskip.graph.walk import nodes_between
from keraskip.models.choices import MOST, POOLINGS, STEMS
from keraskip.models.image_shape import channel_index, check_order, check_shape
from keraskip.models.large_graphs import connect
from keraskip.models.names import check_names
from keraskip.models.styled_layers import (
    Activation,
    Style,
    activate,
    check_one_class,
    convolve,
    normalize,
    try_activation,
)

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
    prefix: str = ""

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
            classes = check_integer("classes", self.classes, minimum=1, maximum=MOST)
            object.__setattr__(self, "classes", classes)
        check_usable(
            "classifier_activation",
            self.classifier_activation,
            partial(try_activation, shape=(1, 2)),
            keras.activations,
        )
        if self.include_top and self.classes == 1:
            check_one_class(self.classifier_activation)
        check_names(self.name, self.prefix)

    def check_size(self, smallest_map: int) -> None:
        """Refuse images whose maps, after the stem, have fewer pixels than the stages need."""
        shape = self._image_shape()
        if self.input_tensor is None:
            check_order(shape)
        smallest = REDUCTION[self.stem] * (smallest_map - 1) + 1
        spatial = shape[:-1] if channel_index() == -1 else shape[1:]
        if any(side is not None and side < smallest for side in spatial):
            raise ValueError(
                f"Images of this network must be at least {smallest} pixels high and wide. "
                f"Received: input_shape={shape} (nearest: {smallest})"
            )

    @property
    def image_channels(self) -> int:
        """Number of channels of an image."""
        return self._image_shape()[channel_index()]

    @property
    def class_count(self) -> int:
        """Number of classes of the classifier, if the network has one."""
        return self.classes or CLASSES[self.stem]

    def images(self):
        """The symbolic tensor that the stem takes."""
        if self.input_tensor is None:
            return keras.Input(self._image_shape(), name=f"{self.prefix}images")
        return self.input_tensor

    def apply_stem(self, x, filters: int, style: Style, activated: bool = True):
        """For small images one 3x3 convolution, for ImageNet 7x7 and pooling.

        With `activated=False` the stages begin with normalisation and activation themselves.
        """
        is_small = self.stem == "small"
        size, strides = (3, 1) if is_small else (7, 2)
        stem = f"{self.prefix}stem"
        x = convolve(x, filters, size, style, f"{stem}_conv", strides, normalized=activated)
        if activated:
            x = normalize(x, style, f"{stem}_norm")
            x = activate(x, style, f"{stem}_act")
        if is_small:
            return x
        x = layers.ZeroPadding2D(1, name=f"{stem}_pool_pad")(x)
        return layers.MaxPooling2D(3, strides=2, name=f"{stem}_pool")(x)

    def apply_head(self, x, style: Style):
        """Pooling and the classifier, if the network has them."""
        pool, classifier = f"{self.prefix}head_pool", f"{self.prefix}predictions"
        if self.include_top or self.pooling == "avg":
            x = layers.GlobalAveragePooling2D(name=pool)(x)
        elif self.pooling == "max":
            x = layers.GlobalMaxPooling2D(name=pool)(x)
        if self.include_top:
            # In half precision a softmax loses the small probabilities: the classifier computes
            # in the type of its weights, which mixed precision keeps in float32.
            x = layers.Dense(
                self.class_count,
                activation=self.classifier_activation,
                kernel_initializer=style.initializer(classifier),
                dtype=keras.config.dtype_policy().variable_dtype,
                name=classifier,
            )(x)
        return x

    def model(self, images, x, default_name: str) -> keras.Model:
        """The model from the images, or from the sources of `input_tensor`, to `x`."""
        if self.input_tensor is not None:
            # Keras' get_source_inputs walks again through all that two branches share.
            calls = nodes_between((), [self.input_tensor])
            sources = [tensor for call in calls if call.is_input for tensor in call.outputs]
            images = sources[0] if len(sources) == 1 else sources
        return connect(images, x, self.name or default_name)

    def _image_shape(self) -> tuple:
        """The shape of one image, checked."""
        if self.input_tensor is not None:
            return self._shape_of_tensor()
        if self.input_shape is None:
            side = SIDE[self.stem]
            return (side, side, 3) if channel_index() == -1 else (3, side, side)
        return check_shape(self.input_shape)

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
        shape = check_shape(tuple(tensor.shape[1:]))
        if self.input_shape is not None and check_shape(self.input_shape) != shape:
            raise ValueError(
                "input_shape must agree with input_tensor, or be None. Received: "
                f"input_shape={self.input_shape}, input_tensor of shape {tuple(tensor.shape)}"
            )
        return shape
