"""The samples that model and artefact are compared on: usual and unusual ones of every type."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from keraskip.export.artefact.kinds import COUNTS, at_random, is_whole, made, values_of
from keraskip.export.network.tensors import Batch, Tensor

# The most real samples to use.
REAL = 8
# The kinds that artefacts meet in use.
USUAL = ("real", "noise", "constant")


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
    narrow: bool = False,
) -> list[Probe]:
    """One sample alone, and samples of all kinds in a batch whose size is odd.

    Args:
        inputs: the inputs.
        shapes: the shape of a sample, by the name of the input.
        samples: real ones; up to eight are used.
        narrow: whether the words and whole numbers of all kinds are from the real samples.
    """
    random = np.random.default_rng(0)
    real = {name: part[:REAL] for name, part in (samples or {}).items()}
    by_kind = {
        kind: {
            each.name: made(
                kind, each, shapes[each.name], random, real.get(each.name) if narrow else None
            )
            for each in inputs
        }
        for kind in COUNTS
        if kind != "padding" or any(is_whole(each) and each.shape for each in inputs)
    }
    if real:
        by_kind = {"real": real, **by_kind}
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
        each.name: each.batch(at_random(each, (count, *shapes[each.name]), random, values_of(each)))
        for each in inputs
    }


def shapes_of(
    inputs: Sequence[Tensor], samples: Batch | None, side: int
) -> dict[str, tuple[int, ...]]:
    """The shape of a sample of each input, its open sides as in the samples, or `side`."""
    if samples is not None:
        return {name: values.shape[1:] for name, values in samples.items()}
    return {each.name: tuple(one or side for one in each.shape) for each in inputs}


def smaller(
    inputs: Sequence[Tensor], shapes: Mapping[str, tuple[int, ...]], share: float
) -> dict[str, tuple[int, ...]]:
    """The shapes with their open sides shrunk to a share."""
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
