"""The inputs and outputs of a network, and batches for them. Loads no framework."""

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
        samples: one array, if there is one input; else a dict by the names of the inputs, or the
            arrays nested as the model takes them.

    Raises:
        ValueError: unless the samples fit the inputs.
    """
    names = [each.name for each in inputs]
    if isinstance(samples, Mapping) and {*samples} == {*names}:
        values = [samples[name] for name in names]
    else:
        values = list(_flat(samples)) if _is_nested(samples, len(inputs)) else [samples]
    if len(values) != len(inputs):
        raise _refused(inputs, argument, _found(samples, values))
    batch = {each.name: each.batch(value) for each, value in zip(inputs, values, strict=True)}
    shapes = {name: list(values.shape) for name, values in batch.items()}
    lengths = {shape[0] if shape else 0 for shape in shapes.values()}
    fits = all(each.fits(shapes[each.name]) for each in inputs)
    if not fits or len(lengths) > 1 or 0 in lengths:
        raise _refused(inputs, argument, shapes)
    return batch


def _is_nested(samples: Any, count: int) -> bool:
    return isinstance(samples, Mapping) or (count > 1 and isinstance(samples, list | tuple))


def _flat(samples: Any) -> Iterator[Any]:
    """The arrays in the order of Keras, which sorts dicts."""
    if isinstance(samples, Mapping):
        for key in sorted(samples):
            yield from _flat(samples[key])
    elif isinstance(samples, list | tuple):
        for each in samples:
            yield from _flat(each)
    else:
        yield samples


def _found(samples: Any, values: Sequence[Any]) -> Any:
    return list(samples) if isinstance(samples, Mapping) else f"{len(values)} arrays"


def _refused(inputs: Sequence[Tensor], argument: str, received: Any) -> ValueError:
    return ValueError(
        f"{argument} must be samples as the model takes them, {'; '.join(map(str, inputs))}. "
        f"Received: {received}"
    )
