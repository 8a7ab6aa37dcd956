"""The inputs and outputs of a network, and batches for them. Loads no framework."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from keyword import iskeyword
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


def name_at(path: Sequence[Any], kind: str) -> str:
    """The name of what lies there in nested dicts and lists, in a form for every format.

    `kind`, such as `"input"`, stands before a name that begins without a letter, and before one
    that cannot be an argument.
    """
    plain = re.sub(r"\W", "_", "_".join(map(str, path)), flags=re.ASCII)
    return plain if plain[:1].isalpha() and not _is_taken(plain) else f"{kind}_{plain}"


def _is_taken(name: str) -> bool:
    """Whether Python has the name for itself; signatures are methods, which have a `self`."""
    return iskeyword(name) or name == "self"
