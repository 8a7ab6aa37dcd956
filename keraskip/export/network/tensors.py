"""The inputs and outputs of a network, and batches for them. Loads no framework."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Batch = dict[str, np.ndarray]
# Shape of one sample; None for an open side.
Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Tensor:
    """An input or output.

    Attributes:
        name: its name in every format.
        shape: shape of one sample; None for an open side.
        dtype: as NumPy writes it, or `"string"`. Numbers with a fraction are float32.
        below: of whole numbers that a layer looks up, such as an embedding: the first one that is
            too large; None where nothing says so.
    """

    name: str
    shape: Shape
    dtype: str
    below: int | None = None

    def __str__(self) -> str:
        sides = ", ".join("any" if side is None else str(side) for side in (None, *self.shape))
        return f"{self.name} [{sides}] {self.dtype}"

    def fits(self, shape: Sequence[int]) -> bool:
        """Whether a batch has this shape."""
        return len(shape) == 1 + len(self.shape) and all(
            wanted in (None, side) for wanted, side in zip((None, *self.shape), shape, strict=True)
        )

    def batch(self, values: Any) -> np.ndarray:
        """Values as an array of this type; strings are objects."""
        return np.ascontiguousarray(values, object if self.dtype == "string" else self.dtype)


def image_shape(inputs: Sequence[Tensor]) -> Shape | None:
    """Height, width and channels, if the only input is an image; the first two may be None."""
    first, *others = inputs
    is_image = not others and len(first.shape) == 3 and first.dtype != "string"
    return first.shape if is_image and first.shape[-1] is not None else None


def batch_for(inputs: Sequence[Tensor], argument: str, samples: Any) -> Batch:
    """An array for each input by its name.

    Args:
        inputs: the inputs.
        argument: what the samples are called in an error.
        samples: one array, if there is one input; a dict by the names of the inputs; or the arrays
            nested as the model takes them.

    Raises:
        ValueError: unless the samples fit the inputs.
    """
    values = _values(inputs, samples)
    if values is None:
        raise _refused(inputs, argument, _found(samples))
    batch = {each.name: each.batch(value) for each, value in zip(inputs, values, strict=True)}
    shapes = {name: list(values.shape) for name, values in batch.items()}
    lengths = {shape[0] if shape else 0 for shape in shapes.values()}
    fits = all(each.fits(shapes[each.name]) for each in inputs)
    if not fits or len(lengths) > 1 or 0 in lengths:
        raise _refused(inputs, argument, shapes)
    return batch


def name_at(path: Sequence[Any], kind: str) -> str:
    """The name of what lies there in nested dicts and lists, in a form for every format.

    `kind`, such as `"input"`, stands before a name that begins without a letter.
    """
    plain = re.sub(r"\W", "_", "_".join(map(str, path)), flags=re.ASCII)
    return plain if plain[:1].isalpha() else f"{kind}_{plain}"


def _values(inputs: Sequence[Tensor], samples: Any) -> list | None:
    """The arrays in the order of the inputs; None if they are others."""
    names = [each.name for each in inputs]
    if isinstance(samples, Mapping):
        named = {name_at(path, "input"): each for path, each in _leaves(samples)}
        return [named[name] for name in names] if {*named} == {*names} else None
    if len(inputs) == 1:
        return [samples]
    values = [each for _, each in _leaves(samples)]
    return values if len(values) == len(inputs) else None


def _leaves(samples: Any, path: tuple = ()) -> Iterator[tuple[tuple, Any]]:
    """The arrays with their places, in the order of Keras, which sorts dicts."""
    if isinstance(samples, Mapping):
        for key in sorted(samples):
            yield from _leaves(samples[key], (*path, key))
    elif isinstance(samples, list | tuple):
        for index, each in enumerate(samples):
            yield from _leaves(each, (*path, index))
    else:
        yield path, samples


def _found(samples: Any) -> Any:
    if isinstance(samples, Mapping):
        return list(samples)
    return f"{len(samples)} arrays" if isinstance(samples, list | tuple) else "an array"


def _refused(inputs: Sequence[Tensor], argument: str, received: Any) -> ValueError:
    return ValueError(
        f"{argument} must be samples as the model takes them, {'; '.join(map(str, inputs))}. "
        f"Received: {received}"
    )
