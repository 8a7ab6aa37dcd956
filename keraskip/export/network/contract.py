"""The contract of an exported network: its input and outputs."""

import re
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keraskip.checks import check_integer

# The name that Keras gives a tensor without one.
UNNAMED = "keras_tensor"


@dataclass(frozen=True)
class Contract:
    """Input and outputs of a network of images.

    Attributes:
        input_name: name of its only input.
        shape: height, width and channels of an image; None for an open height or width.
        outputs: the shape of each output by its name, without the batch.
        whole_numbers: whether pixels are integers.
    """

    input_name: str
    shape: tuple[int | None, int | None, int]
    outputs: dict[str, tuple[int | None, ...]]
    whole_numbers: bool = False

    @property
    def size(self) -> tuple[int | None, int | None]:
        """Height and width."""
        return self.shape[:2]

    def checked(self, argument: str, images: Any) -> np.ndarray | None:
        """The images as float32, or None for None; ValueError unless they fit the model."""
        if images is None:
            return None
        batch = np.asarray(images, "float32")
        sides = batch.shape[1:]
        fits = len(sides) == 3 and all(
            wanted in (None, side) for wanted, side in zip(self.shape, sides, strict=True)
        )
        if not fits or not len(batch):
            raise ValueError(
                f"{argument} must be images as the model takes them, "
                f"[images, {', '.join(map(str, self.shape))}]. Received: {list(batch.shape)}"
            )
        return batch

    @property
    def classes(self) -> int | None:
        """How many classes the network has, None unless scores are its only output."""
        shapes = list(self.outputs.values())
        return shapes[0][0] if len(shapes) == 1 and len(shapes[0]) == 1 else None


def contract_of(model: keras.Model, input_shape: tuple | None = None) -> Contract:
    """The contract of a model.

    Args:
        model: any model with one input of images.
        input_shape: shape of an image, for a model that does not know it, such as a subclassed
            one.

    Raises:
        TypeError: if `model` is no model, or a side of `input_shape` is no integer.
        ValueError: for a model of other inputs, with open channels or without weights.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"model must be a keras.Model. Received: {type(model).__name__}")
    if not model.built:
        raise ValueError(
            "A model to export needs weights: call it on some images first. "
            f"Received: model {model.name!r}, not built"
        )
    if keras.config.image_data_format() != "channels_last":
        raise ValueError(
            "Exports are of models with channels last. "
            f"Received: image_data_format={keras.config.image_data_format()!r}"
        )
    for index, side in enumerate(input_shape or ()):
        if side is not None:
            check_integer(f"input_shape[{index}]", side, minimum=1)
    if getattr(model, "inputs", None):
        return _of_graph(model, input_shape)
    if input_shape is None:
        raise ValueError(
            "input_shape must say what a model without a graph takes, such as (32, 32, 3). "
            f"Received: input_shape=None, model {model.name!r} of class {type(model).__name__}"
        )
    shape = _checked_shape(tuple(input_shape))
    return Contract("images", shape, _outputs(model, shape))


def _of_graph(model: keras.Model, input_shape: tuple | None) -> Contract:
    """The contract of a model that knows its inputs."""
    if len(model.inputs) > 1:
        raise ValueError(
            f"model must have one input, of images. Received: {len(model.inputs)} inputs"
        )
    tensor = model.inputs[0]
    shape = tuple(tensor.shape[1:])
    if input_shape is not None and not _fits(tuple(input_shape), shape):
        raise ValueError(
            "input_shape is for models that do not know it. "
            f"Received: input_shape={tuple(input_shape)}, a model of {shape}"
        )
    shape = _checked_shape(shape)
    name = "images" if tensor.name.startswith(UNNAMED) else _as_argument(tensor.name)
    whole_numbers = not keras.backend.is_float_dtype(tensor.dtype)
    return Contract(name, shape, _outputs(model, shape), whole_numbers)


def _checked_shape(shape: tuple) -> tuple:
    if len(shape) != 3 or shape[-1] is None:
        raise ValueError(
            "model must take images (height, width, channels) with a fixed number of channels. "
            f"Received: input_shape={shape}"
        )
    return shape


def _fits(given: tuple, known: tuple) -> bool:
    return len(given) == len(known) and all(
        side is None or side == other for side, other in zip(known, given, strict=True)
    )


def _as_argument(name: str) -> str:
    """The name in a form that can be an argument in every format."""
    plain = re.sub(r"\W", "_", name)
    return plain if plain[:1].isalpha() else f"images_{plain}"


def _outputs(model: keras.Model, shape: tuple) -> dict[str, tuple]:
    output = model.compute_output_spec(keras.KerasTensor((None, *shape), model.input_dtype))
    tensors = keras.tree.flatten(output)
    if isinstance(model, keras.Sequential):
        names = [model.layers[-1].name]
    else:
        names = getattr(model, "output_names", None) or []
    if len(names) != len(tensors) or len({*names}) < len(names):
        names = [f"output_{index}" for index in range(len(tensors))]
    plain = [re.sub(r"\W", "_", name) for name in names]
    if len({*plain}) < len(plain) or any(not name[0].isalpha() for name in plain):
        plain = [f"output_{index}" for index in range(len(tensors))]
    return {name: tuple(tensor.shape[1:]) for name, tensor in zip(plain, tensors, strict=True)}
