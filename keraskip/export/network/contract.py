"""The contract of an exported network: its inputs and outputs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from keraskip.checks import check_integer
from keraskip.export.errors import cause
from keraskip.export.network.naming import input_names, output_names
from keraskip.export.network.ranges import limits
from keraskip.export.network.samples import batch_for
from keraskip.export.network.scopes import check_names
from keraskip.export.network.tensors import Batch, Shape, Tensor, image_shape
from keraskip.graph import has_graph


@dataclass(frozen=True)
class Contract:
    """Inputs and outputs of a network, in the order of the model.

    Attributes:
        inputs: the inputs.
        outputs: the outputs.
        nesting: the model's own nesting of its inputs, with the number of each.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    nesting: Any = 0

    @property
    def image(self) -> Shape | None:
        """Height, width and channels, if the only input is an image; the first two may be None."""
        return image_shape(self.inputs)

    @property
    def size(self) -> tuple[int | None, int | None]:
        """Height and width of an image."""
        height, width, _ = self.image or (None, None, None)
        return height, width

    @property
    def classes(self) -> int | None:
        """How many classes the network has, None unless scores are its only output."""
        first, *others = self.outputs
        return first.shape[0] if not others and len(first.shape) == 1 else None

    def nested(self, values: Sequence[Any]) -> Any:
        """One value for each input, nested as the model takes them."""
        return keras.tree.pack_sequence_as(self.nesting, list(values))

    def tensors(self, batch: Batch) -> Any:
        """A batch as tensors of the backend, nested as the model takes them."""
        convert = keras.ops.convert_to_tensor
        return self.nested([convert(batch[each.name], each.dtype) for each in self.inputs])

    def checked(self, argument: str, samples: Any) -> Batch | None:
        """The samples by the names of inputs, None for None; ValueError unless they fit."""
        if samples is None:
            return None
        return batch_for(self.inputs, self.nesting, argument, samples)


def contract_of(model: keras.Model, input_shape: Any = None) -> Contract:
    """The contract of a model.

    Args:
        model: any model that has its weights.
        input_shape: for a model that does not know its inputs, such as a subclassed one: the shape
            of one sample, or shapes and `keras.KerasTensor`s nested as the model takes them.

    Raises:
        TypeError: if `model` is no model, or `input_shape` has what is no shape.
        ValueError: for a model without weights, of images with channels first, of sparse inputs,
            or of unknown ones, and if the model does not take `input_shape`.
    """
    _check_built(model)
    given = None if input_shape is None else _symbolic(input_shape, "input_shape")
    taken = _inputs(model, given)
    tensors = keras.tree.flatten(taken)
    _check_inputs(tensors)
    names = input_names(taken, known=bool(getattr(model, "inputs", None)))
    inputs = map(_described, names, tensors, limits(model, len(tensors)))
    outputs = _outputs(model, taken)
    named = zip(output_names(model, outputs, names), keras.tree.flatten(outputs), strict=True)
    return Contract(
        tuple(inputs),
        tuple(_described(name, tensor) for name, tensor in named),
        keras.tree.pack_sequence_as(taken, range(len(tensors))),
    )


def _check_built(model: keras.Model) -> None:
    if not isinstance(model, keras.Model):
        raise TypeError(f"model must be a keras.Model. Received: {type(model).__name__}")
    if not model.built:
        raise ValueError(
            "A model to export needs weights: call it on some samples first. "
            f"Received: model {model.name!r}, not built"
        )


def _inputs(model: keras.Model, given: Any) -> Any:
    """Symbolic tensors for the inputs, nested as the model takes them."""
    if not getattr(model, "inputs", None):
        if given is None:
            raise ValueError(
                "input_shape must say what a model without a graph takes, such as (32, 32, 3). "
                f"Received: input_shape=None, model {model.name!r} of class {type(model).__name__}"
            )
        return given
    known = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
    if given is not None:
        _check_given(keras.tree.flatten(given), keras.tree.flatten(known))
    return known


def _check_given(given: Sequence[Any], known: Sequence[Any]) -> None:
    """ValueError unless the given shapes fit the model."""
    theirs, ours = ([tuple(tensor.shape[1:]) for tensor in each] for each in (given, known))
    if len(ours) != len(theirs) or not all(map(_fits, theirs, ours)):
        raise ValueError(
            "input_shape is for models that do not know it. "
            f"Received: input_shape={theirs}, a model of {ours}"
        )


def _outputs(model: keras.Model, taken: Any) -> Any:
    """Symbolic tensors for the outputs, nested as the model gives them."""
    if not has_graph(model):
        check_names(model)
        try:
            return model.compute_output_spec(taken)
        except Exception as error:
            # Backends and layers raise whatever they like.
            shapes = keras.tree.map_structure(lambda each: tuple(each.shape[1:]), taken)
            raise ValueError(
                "input_shape must be the shape of a sample, nested as the model takes its inputs. "
                f"Received: input_shape={shapes}, {cause(error)}"
            ) from error
    return model.outputs[0] if isinstance(model, keras.Sequential) else model.output


def _fits(given: tuple, known: tuple) -> bool:
    return len(given) == len(known) and all(
        side is None or side == other for side, other in zip(known, given, strict=True)
    )


def _symbolic(given: Any, argument: str) -> Any:
    """Shapes as tensors, with the nesting kept."""
    if isinstance(given, keras.KerasTensor):
        return given
    if isinstance(given, Mapping):
        return {name: _symbolic(each, f"{argument}[{name!r}]") for name, each in given.items()}
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise TypeError(
            f"{argument} must be a shape, such as (32, 32, 3), or shapes in dicts and lists. "
            f"Received: {argument}={given!r}"
        )
    if any(isinstance(each, Mapping | list | tuple | keras.KerasTensor) for each in given):
        return [_symbolic(each, f"{argument}[{index}]") for index, each in enumerate(given)]
    for index, side in enumerate(given):
        if side is not None:
            check_integer(f"{argument}[{index}]", side, minimum=1)
    return keras.KerasTensor((None, *given), "float32")


def _check_inputs(tensors: Sequence[Any]) -> None:
    first = keras.config.image_data_format() != "channels_last"
    if first and any(len(tensor.shape) > 3 for tensor in tensors):
        raise ValueError(
            "Exports are of models with channels last. "
            f"Received: image_data_format={keras.config.image_data_format()!r}"
        )
    for tensor in tensors:
        if getattr(tensor, "sparse", False) or getattr(tensor, "ragged", False):
            raise ValueError("Exports are of models of dense inputs. Received: a sparse input")


def _described(name: str, tensor: Any, below: int | None = None) -> Tensor:
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    fraction = keras.backend.is_float_dtype(dtype)
    return Tensor(name, tuple(tensor.shape[1:]), "float32" if fraction else dtype, below)
