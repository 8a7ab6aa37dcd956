"""Samples of one kind for an input of any type."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from keraskip.export.network.tensors import Tensor

# How many samples of each kind.
COUNTS = {"noise": 3, "constant": 3, "unscaled": 2, "extreme": 2, "padding": 2}
# Whole numbers are 0 or 1, as in masks, where no layer says how large they may be.
MASK = 2
PIXELS = 256
WORDS = ("", "a", "the", "of the", "0", "unheard-of", "\u00e4", " two  words ", "A", 1000 * "long ")
# What an input of words or whole numbers may be.
Values = Sequence | np.ndarray


def made(
    kind: str,
    tensor: Tensor,
    shape: tuple[int, ...],
    random: np.random.Generator,
    known: np.ndarray | None = None,
) -> np.ndarray:
    """Samples of a kind.

    Args:
        kind: one of `COUNTS`.
        tensor: the input.
        shape: the shape of a sample.
        random: where random numbers come from.
        known: as for `values_of`.
    """
    values = values_of(tensor, known)
    return tensor.batch(_KINDS[kind](tensor, (COUNTS[kind], *shape), random, values))


def is_whole(tensor: Tensor) -> bool:
    """Whether it takes whole numbers, also as floats that a layer looks up."""
    return tensor.below is not None or tensor.dtype not in ("float32", "string")


def _is_continuous(tensor: Tensor) -> bool:
    return tensor.dtype != "string" and not is_whole(tensor)


def values_of(tensor: Tensor, known: np.ndarray | None = None) -> Values:
    """The words or whole numbers to choose from, the usual ones first.

    Args:
        tensor: the input.
        known: real samples, where a model takes no other words and whole numbers than theirs.
    """
    if known is not None and not _is_continuous(tensor):
        return np.array(sorted({*known.flat}, key=str), known.dtype)
    if tensor.dtype == "string":
        return np.array(WORDS, object)
    if tensor.dtype == "bool":
        return range(2)
    is_image = tensor.dtype == "uint8" or len(tensor.shape) == 3
    return range(tensor.below or (PIXELS if is_image else MASK))


def at_random(
    tensor: Tensor, shape: tuple[int, ...], random: np.random.Generator, values: Values
) -> np.ndarray:
    """A batch of random values that the input may have."""
    if _is_continuous(tensor):
        return random.normal(size=shape)
    places = random.integers(0, len(values), shape)
    return values[places] if isinstance(values, np.ndarray) else places


def _constant(
    tensor: Tensor, shape: tuple[int, ...], random: np.random.Generator, values: Values
) -> np.ndarray:
    """Each sample has one value everywhere: nothing but zeros in the first one."""
    if _is_continuous(tensor):
        values = (0.0, 0.5, 1.0)
    chosen = [values[min(number, len(values) - 1)] for number in range(shape[0])]
    return np.stack([np.full(shape[1:], value, object) for value in chosen])


def _unscaled(
    tensor: Tensor, shape: tuple[int, ...], random: np.random.Generator, values: Values
) -> np.ndarray:
    """Values of pixels, 0 to 255, for inputs of floating point; others as in noise."""
    if _is_continuous(tensor):
        return random.integers(0, PIXELS, shape)
    return at_random(tensor, shape, random, values)


def _extreme(
    tensor: Tensor, shape: tuple[int, ...], random: np.random.Generator, values: Values
) -> np.ndarray:
    """A chessboard of large numbers, and a constant one; the last entries of a vocabulary."""
    if not _is_continuous(tensor):
        return np.full(shape, values[-1], object)
    # All channels of a place are alike.
    sides = shape[1:-1] if len(shape) > 2 else shape[1:]
    board = np.where(np.indices(sides).sum(axis=0) % 2, 1.0, -1.0)
    board = board[..., None] if len(shape) > 2 else board
    return 1000 * np.stack([np.broadcast_to(board, shape[1:]), -np.ones(shape[1:])])


def _padding(
    tensor: Tensor, shape: tuple[int, ...], random: np.random.Generator, values: Values
) -> np.ndarray:
    """Random samples whose whole numbers are zero, or the smallest, in their second half."""
    samples = at_random(tensor, shape, random, values)
    if is_whole(tensor) and len(shape) > 1:
        samples[:, (shape[1] + 1) // 2 :] = 0 if 0 in values else values[0]
    return samples


_KINDS: Mapping[str, Callable[..., np.ndarray]] = {
    "noise": at_random,
    "constant": _constant,
    "unscaled": _unscaled,
    "extreme": _extreme,
    "padding": _padding,
}
