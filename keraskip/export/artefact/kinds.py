"""Samples of one kind for an input of any type."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from keraskip.export.network.tensors import Tensor

# How many samples of each kind.
COUNTS = {"noise": 3, "constant": 3, "unscaled": 2, "extreme": 2, "padding": 2}
# Whole numbers are 0 or 1, as in masks, where no layer says how large they may be.
MASK = 2
PIXELS = 256
WORDS = ("", "a", "the", "of the", "0", "unheard-of", "\u00e4", " two  words ", "A")


def made(
    kind: str, tensor: Tensor, shape: tuple[int, ...], random: np.random.Generator
) -> np.ndarray:
    """Samples of a kind.

    Args:
        kind: one of `COUNTS`.
        tensor: the input.
        shape: the shape of a sample.
        random: where random numbers come from.
    """
    return tensor.batch(_KINDS[kind](tensor, (COUNTS[kind], *shape), random))


def is_whole(tensor: Tensor) -> bool:
    """Whether it takes whole numbers, also as floats that a layer looks up."""
    return tensor.below is not None or tensor.dtype not in ("float32", "string")


def _below(tensor: Tensor) -> int:
    """The first whole number that is too large."""
    if tensor.dtype == "bool":
        return 2
    is_image = tensor.dtype == "uint8" or len(tensor.shape) == 3
    return tensor.below or (PIXELS if is_image else MASK)


def at_random(tensor: Tensor, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """A batch of random values that the input may have."""
    if tensor.dtype == "string":
        return random.choice(np.array(WORDS, object), shape)
    if is_whole(tensor):
        return random.integers(0, _below(tensor), shape)
    return random.normal(size=shape)


def _constant(tensor: Tensor, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """Each sample has one value everywhere: nothing but zeros in the first one."""
    if tensor.dtype == "string":
        values: Sequence = WORDS[: shape[0]]
    elif is_whole(tensor):
        values = [min(number, _below(tensor) - 1) for number in range(shape[0])]
    else:
        values = (0.0, 0.5, 1.0)
    return np.stack([np.full(shape[1:], value, object) for value in values])


def _unscaled(tensor: Tensor, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """Values of pixels, 0 to 255, for inputs of floating point; others as in noise."""
    usual = tensor.dtype == "string" or is_whole(tensor)
    return at_random(tensor, shape, random) if usual else random.integers(0, PIXELS, shape)


def _extreme(tensor: Tensor, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """A chessboard of large numbers, and a constant one; the last entries of a vocabulary."""
    if tensor.dtype == "string":
        return np.full(shape, 1000 * "long ", object)
    if is_whole(tensor):
        return np.full(shape, _below(tensor) - 1)
    # All channels of a place are alike.
    sides = shape[1:-1] if len(shape) > 2 else shape[1:]
    board = np.where(np.indices(sides).sum(axis=0) % 2, 1.0, -1.0)
    board = board[..., None] if len(shape) > 2 else board
    return 1000 * np.stack([np.broadcast_to(board, shape[1:]), -np.ones(shape[1:])])


def _padding(tensor: Tensor, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """Random samples whose whole numbers are zero in their second half."""
    values = at_random(tensor, shape, random)
    if is_whole(tensor) and len(shape) > 1:
        values[:, (shape[1] + 1) // 2 :] = 0
    return values


_KINDS: Mapping[str, Callable[..., np.ndarray]] = {
    "noise": at_random,
    "constant": _constant,
    "unscaled": _unscaled,
    "extreme": _extreme,
    "padding": _padding,
}
