"""Compares an artefact, or another precision, with the model, and knows the tolerances."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keraskip.export.artefact import parity
from keraskip.export.errors import ExportError
from keraskip.export.formats import FORMATS
from keraskip.export.formats.format import Predict
from keraskip.export.network.contract import Contract, contract_of
from keraskip.export.network.shipping import shipping_of

# Differences are relative to the largest output, or to 1. Folded normalisation rounds in another
# order.
FOLDED_TOLERANCE = 1e-4
# Pillow and TensorFlow scale images in float32, but in another order.
RAW_TOLERANCE = 1e-3
# Half precision has three digits, and each layer loses some of them.
HALF_TOLERANCE = 0.1


def compare(artefact: Any, model: keras.Model) -> dict[str, float]:
    """The difference between an opened artefact and a model, for each kind of images.

    Raises:
        ExportError: if a difference is larger than an export may have.
    """
    card = artefact.card
    contract = contract_of(model, tuple(card["input"]["shape"][1:]))
    names = [output["name"] for output in card["outputs"]]
    if [*contract.shape] != card["input"]["shape"][1:] or [*contract.outputs] != names:
        raise ExportError(
            f"The model must take {card['input']['shape'][1:]} and give {names}. "
            f"Received: {[*contract.shape]} and {[*contract.outputs]}"
        )
    images = parity.probe_images(contract, None)
    expected = expected_outputs(shipping_of(model, fold=False).reference, contract, images)
    kind, folded = card["quantization"], card["folded"] > 0
    return compared(card["format"], artefact, expected, images, kind, folded)


def expected_outputs(
    model: keras.Model, contract: Contract, images: Mapping[str, np.ndarray]
) -> dict[str, dict[str, np.ndarray]]:
    """The model's outputs for each kind of images, by their names."""
    batch = keras.ops.convert_to_tensor(np.concatenate(list(images.values())))
    outputs = [
        keras.ops.convert_to_numpy(keras.ops.cast(output, "float32"))
        for output in keras.tree.flatten(model(batch, training=False))
    ]
    ends = np.cumsum([len(part) for part in images.values()])[:-1]
    # First by output, then by kind.
    parts = [np.split(output, ends) for output in outputs]
    return {
        kind: dict(zip(contract.outputs, values, strict=True))
        for kind, values in zip(images, zip(*parts, strict=True), strict=True)
    }


def compared(
    format: str,
    predict: Predict,
    expected: Mapping[str, parity.Outputs],
    images: Mapping[str, np.ndarray],
    quantization: str | None,
    folded: bool,
) -> dict[str, float]:
    """The differences between artefact and model; ExportError if one is too large."""
    if quantization:
        kind = "real" if "real" in images else "noise"
        mean = parity.mean_difference(predict, expected[kind], images[kind])
        tolerance = FORMATS[format].mean_tolerance[quantization]
        parity.check({kind: mean}, tolerance, "In the mean, a quantised artefact")
        return {f"{kind}, in the mean": mean}
    differences = parity.differences(predict, expected, images)
    tolerance = max(FORMATS[format].tolerance, FOLDED_TOLERANCE if folded else 0.0)
    parity.check(differences, tolerance, "The artefact")
    return differences


def compared_raw(
    outputs: Mapping[str, parity.Outputs], expected: parity.Outputs
) -> dict[str, float]:
    """The differences of the signatures for raw images; ExportError if one is too large."""
    differences = {
        f"signature {signature}": parity.largest(of_signature, expected)
        for signature, of_signature in outputs.items()
    }
    parity.check(differences, RAW_TOLERANCE, "A signature for raw images")
    return differences


def from_half(
    model: keras.Model,
    contract: Contract,
    expected: Mapping[str, parity.Outputs],
    images: Mapping[str, np.ndarray],
) -> float:
    """The difference between the model in half precision and its float32 twin that is exported."""
    kinds = {kind: batch for kind, batch in images.items() if kind in ("real", "noise")}
    half = expected_outputs(model, contract, kinds)
    difference = float(np.max([parity.largest(half[kind], expected[kind]) for kind in kinds]))
    parity.check({"usual": difference}, HALF_TOLERANCE, "In float32 the model")
    return difference
