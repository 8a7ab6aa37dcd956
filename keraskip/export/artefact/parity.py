"""Parity: the images to compare on, and the differences between two networks' outputs."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keraskip.export.errors import ExportError
from keraskip.export.formats.format import Predict

if TYPE_CHECKING:
    from keraskip.export.network.contract import Contract


# Height or width of the images where the model leaves it open.
OPEN_SIDE = 64
# The batches to predict: first one image, then three, a size that nothing pads to.
BATCH_SIZES = (1, 3)

Outputs = Mapping[str, np.ndarray]


def probe_images(contract: "Contract", samples: np.ndarray | None) -> dict[str, np.ndarray]:
    """Images to compare on, usual and unusual ones, by kind.

    Args:
        contract: the contract of the model.
        samples: real images, as the model takes them; up to eight are used.
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
    """Two images of 0 to 255, larger than the model's input and of another aspect ratio.

    If the model takes images of any size, they have the size of the other images.
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
    """The largest difference for each kind of images.

    It is relative to the largest expected number, or to 1 if that is smaller. Expected numbers
    that are not finite do not count: from extreme images the model overflows float32 itself.
    """
    by_kind = {}
    for kind, batch in images.items():
        parts = [predict(part) for part in _batches(batch)]
        by_kind[kind] = largest(
            {name: np.concatenate([part[name] for part in parts]) for name in expected[kind]},
            expected[kind],
        )
    return by_kind


def check_finite(expected: Mapping[str, Outputs]) -> None:
    """ExportError if the model gives NaN or infinity for usual images."""
    for kind in ("real", "noise", "constant"):
        for name, values in expected.get(kind, {}).items():
            if not np.isfinite(values).all():
                raise ExportError(
                    "A model to export must give finite numbers; an untrained deep network may "
                    "overflow float32, as its batch normalisation has no statistics yet. "
                    f"Received: NaN or infinity in {name!r} for images of kind {kind!r}"
                )


def check(differences: Mapping[str, float], tolerance: float, what: str) -> None:
    """ExportError if a difference is above the tolerance, or not a number."""
    for kind, difference in differences.items():
        if not difference <= tolerance:
            raise ExportError(
                f"{what} must give what the model gives, to {tolerance:g}. "
                f"Received: a difference of {difference:.3g} for images of kind {kind!r}"
            )


def largest(outputs: Outputs, expected: Outputs) -> float:
    """The largest difference over all outputs; NaN if one is NaN."""
    return float(np.max([largest_difference(outputs[name], expected[name]) for name in expected]))


def mean_difference(predict: Predict, expected: Outputs, images: np.ndarray) -> float:
    """The sum of all differences of an image, as a mean over images.

    It is relative to the sum of the expected numbers, or to 1, the sum of probabilities.
    """
    outputs = predict(images)
    shares = []
    for name, wanted in expected.items():
        if outputs[name].shape != wanted.shape:
            return np.inf
        rows = [values.reshape(len(images), -1) for values in (outputs[name] - wanted, wanted)]
        off, total = (np.abs(values).sum(axis=1) for values in rows)
        shares.append((off / np.maximum(total, 1.0)).mean())
    return float(np.max(shares))


def _batches(batch: np.ndarray) -> Sequence[Any]:
    ends = np.cumsum(BATCH_SIZES)
    return [part for part in np.split(batch, ends[ends < len(batch)]) if len(part)]


def largest_difference(output: np.ndarray, expected: np.ndarray) -> float:
    """Relative to the largest expected number, or to 1; infinite for another shape."""
    if output.shape != expected.shape:
        return np.inf
    known = np.isfinite(expected)
    if not known.any():
        return 0.0
    largest = max(1.0, float(np.abs(expected[known]).max()))
    return float(np.abs(output[known] - expected[known]).max() / largest)
