"""Whether an artefact gives what the model gives."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from keraskip.export.contract import Contract


# What a side is where the model leaves it open.
OPEN_SIDE = 64
# How many images at a time, in turns: one alone, and a number that no batch is padded to.
BATCH_SIZES = (1, 3)

Outputs = Mapping[str, np.ndarray]
Predict = Callable[[np.ndarray], Outputs]


class ExportError(ValueError):
    """An export that cannot be made, or that does not give what the model gives."""


def probe_images(contract: "Contract", samples: np.ndarray | None) -> dict[str, np.ndarray]:
    """Images by what they are: some to be expected, some that nobody expects.

    Args:
        contract: what the model takes.
        samples: real images, as the model takes them; of up to eight of them is made use.
    """
    shape = tuple(side or OPEN_SIDE for side in contract.shape)
    if samples is not None:
        shape = samples.shape[1:]
    random = np.random.default_rng(0)
    rows, columns = np.indices(shape[:2])
    board = np.where((rows + columns) % 2, 1.0, -1.0)[..., None]
    if contract.whole_numbers:
        return {"noise": random.integers(0, 256, (8, *shape)).astype("float32")}
    images = {
        "noise": random.normal(size=(3, *shape)),
        "constant": np.stack([np.full(shape, value) for value in (0.0, 0.5, 1.0)]),
        "unscaled": random.integers(0, 256, (2, *shape)),
        "extreme": 1000 * np.stack([np.broadcast_to(board, shape), -np.ones(shape)]),
    }
    if samples is not None:
        images = {"real": samples[:8], **images}
    return {kind: batch.astype("float32") for kind, batch in images.items()}


def raw_images(contract: "Contract", shape: tuple[int, ...]) -> np.ndarray:
    """Two images of 0 to 255, larger than the model takes them and of another shape.

    Where it takes images of any size, they have that of the others.
    """
    height, width, channels = shape
    if None not in contract.size:
        height, width = height + 7, width + 11
    random = np.random.default_rng(0)
    rows, columns = np.indices((height, width))
    waves = np.sin(rows / 3)[..., None] + np.cos(columns / 4)[..., None]
    images = 128 + 40 * waves + random.normal(0, 10, (2, height, width, channels))
    return np.clip(images, 0, 255).astype("uint8")


def differences(
    predict: Predict, expected: Mapping[str, Outputs], images: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """For each kind of images the largest difference.

    It is relative to the largest expected number, or to 1 if that is smaller. What the model
    itself cannot compute in float32, from extreme images, does not count.
    """
    found = {}
    for kind, batch in images.items():
        parts = [predict(part) for part in _in_turns(batch)]
        found[kind] = largest(
            {name: np.concatenate([part[name] for part in parts]) for name in expected[kind]},
            expected[kind],
        )
    return found


def check_finite(expected: Mapping[str, Outputs]) -> None:
    """ExportError if the model gives NaN or infinity for usual images."""
    for kind in ("real", "noise", "constant"):
        for name, values in expected.get(kind, {}).items():
            if not np.isfinite(values).all():
                raise ExportError(
                    "A model to export gives finite numbers; a deep network that was not trained "
                    "may grow beyond float32, as its batch normalisation knows no statistics yet. "
                    f"Received: NaN or infinity in {name!r} for images of kind {kind!r}"
                )


def check(found: Mapping[str, float], tolerance: float, what: str) -> None:
    """ExportError if a difference is larger than it may be, or not a number."""
    for kind, difference in found.items():
        if not difference <= tolerance:
            raise ExportError(
                f"{what} must give what the model gives, to {tolerance:g}. "
                f"Received: a difference of {difference:.3g} for images of kind {kind!r}"
            )


def largest(found: Outputs, expected: Outputs) -> float:
    """The largest difference of all outputs, NaN if there is one."""
    return float(np.max([largest_difference(found[name], expected[name]) for name in expected]))


def mean_difference(predict: Predict, expected: Outputs, images: np.ndarray) -> float:
    """How far all numbers of an image are off together, in the mean over images.

    In shares of the sum of what is expected, or of 1, which is the sum of probabilities.
    """
    found = predict(images)
    shares = []
    for name, wanted in expected.items():
        if found[name].shape != wanted.shape:
            return np.inf
        rows = [values.reshape(len(images), -1) for values in (found[name] - wanted, wanted)]
        off, total = (np.abs(values).sum(axis=1) for values in rows)
        shares.append((off / np.maximum(total, 1.0)).mean())
    return float(np.max(shares))


def _in_turns(batch: np.ndarray) -> Sequence[Any]:
    ends = np.cumsum(BATCH_SIZES)
    return [part for part in np.split(batch, ends[ends < len(batch)]) if len(part)]


def largest_difference(found: np.ndarray, expected: np.ndarray) -> float:
    """Relative to the largest expected number, or to 1; infinite for another shape."""
    if found.shape != expected.shape:
        return np.inf
    known = np.isfinite(expected)
    if not known.any():
        return 0.0
    largest = max(1.0, float(np.abs(expected[known]).max()))
    return float(np.abs(found[known] - expected[known]).max() / largest)
