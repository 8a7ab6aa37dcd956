"""The samples that model and artefact are compared on: usual and unusual ones of every type."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from keraskip.export.network.tensors import Batch, Tensor

# How many samples of each kind, beside up to eight real ones.
COUNTS = {"noise": 3, "constant": 3, "unscaled": 2, "extreme": 2, "padding": 2}
REAL = 8
# The kinds that artefacts meet in use.
USUAL = ("real", "noise", "constant")
# Whole numbers below, where no layer says how large they may be: those of masks.
MASK = 2
PIXELS = 256
WORDS = ("", "a", "the", "of the", "0", "unheard-of", "\u00e4", " two  words ", "A")


@dataclass(frozen=True)
class Probe:
    """A batch to compare on.

    Attributes:
        batch: an array for each input.
        kinds: where the samples of each kind lie in it.
    """

    batch: Batch
    kinds: Mapping[str, slice]

    def part(self, outputs: Mapping[str, np.ndarray], kind: str) -> Batch:
        """The outputs for one kind; an output that has no row for each sample is for all."""
        length, where = len(next(iter(self.batch.values()))), self.kinds[kind]
        return {
            name: values[where] if values.shape[:1] == (length,) else values
            for name, values in outputs.items()
        }


def probes(
    inputs: Sequence[Tensor],
    shapes: Mapping[str, tuple[int, ...]],
    samples: Batch | None = None,
) -> list[Probe]:
    """One sample alone, and samples of all kinds in a batch whose size is odd.

    Args:
        inputs: the inputs.
        shapes: the shape of a sample, by the name of the input.
        samples: real ones; up to eight are used.
    """
    random = np.random.default_rng(0)
    by_kind = {
        kind: {each.name: _made(kind, each, shapes[each.name], random) for each in inputs}
        for kind in COUNTS
        if kind != "padding" or any(is_whole(each) and each.shape for each in inputs)
    }
    if samples is not None:
        by_kind = {"real": {name: part[:REAL] for name, part in samples.items()}, **by_kind}
    first = next(iter(by_kind))
    alone = {name: values[:1] for name, values in by_kind[first].items()}
    return [Probe(alone, {first: slice(0, 1)}), _joined(by_kind)]


def only(kind: str, batch: Batch) -> Probe:
    """A batch of one kind."""
    return Probe(batch, {kind: slice(None)})


def noise(inputs: Sequence[Tensor], shapes: Mapping[str, tuple[int, ...]], count: int) -> Batch:
    """Random samples."""
    random = np.random.default_rng(0)
    return {
        each.name: each.batch(_noise(each, (count, *shapes[each.name]), random)) for each in inputs
    }


def shapes_of(
    inputs: Sequence[Tensor], samples: Batch | None, side: int
) -> dict[str, tuple[int, ...]]:
    """The shape of a sample of each input, with open sides as those of the samples, or `side`."""
    if samples is not None:
        return {name: values.shape[1:] for name, values in samples.items()}
    return {each.name: tuple(one or side for one in each.shape) for each in inputs}


def smaller(
    inputs: Sequence[Tensor], shapes: Mapping[str, tuple[int, ...]], share: float
) -> dict[str, tuple[int, ...]]:
    """The shapes with open sides of which a share is left."""
    return {
        each.name: tuple(
            max(1, int(share * side)) if known is None else side
            for known, side in zip(each.shape, shapes[each.name], strict=True)
        )
        for each in inputs
    }


def raw_images(shape: tuple[int, ...], fixed: bool) -> np.ndarray:
    """Two images of 0 to 255; larger than `shape`, of another aspect ratio, if that is fixed."""
    height, width, channels = shape
    if fixed:
        height, width = height + 7, width + 11
    random = np.random.default_rng(0)
    rows, columns = np.indices((height, width))
    waves = np.sin(rows / 3)[..., None] + np.cos(columns / 4)[..., None]
    images = 128 + 40 * waves + random.normal(0, 10, (2, height, width, channels))
    return np.clip(images, 0, 255).astype("uint8")


def _joined(by_kind: Mapping[str, Batch]) -> Probe:
    batches = list(by_kind.values())
    whole = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    kinds, end = {}, 0
    for kind, batch in by_kind.items():
        begin, end = end, end + len(next(iter(batch.values())))
        kinds[kind] = slice(begin, end)
    if end % 2:
        return Probe(whole, kinds)
    # A size that nothing pads to.
    odd = {name: np.concatenate([values, values[:1]]) for name, values in whole.items()}
    return Probe(odd, kinds)


def _made(
    kind: str, tensor: Tensor, shape: tuple[int, ...], random: np.random.Generator
) -> np.ndarray:
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


def _noise(tensor: Tensor, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
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
    """Numbers with a fraction of a size that pixels have."""
    usual = tensor.dtype == "string" or is_whole(tensor)
    return _noise(tensor, shape, random) if usual else random.integers(0, PIXELS, shape)


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
    values = _noise(tensor, shape, random)
    if is_whole(tensor) and len(shape) > 1:
        values[:, (shape[1] + 1) // 2 :] = 0
    return values


_KINDS: Mapping[str, Callable[..., np.ndarray]] = {
    "noise": _noise,
    "constant": _constant,
    "unscaled": _unscaled,
    "extreme": _extreme,
    "padding": _padding,
}
