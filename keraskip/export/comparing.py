"""Compares an artefact, or another precision, with the model, and knows the tolerances."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keraskip.export import parity
from keraskip.export.contract import Contract, contract_of
from keraskip.export.rebuild import for_inference, is_half
from keraskip.graph import has_graph

# Differences are relative to the largest output, or to 1. Folded normalisation rounds in another
# order, so its tolerance is larger.
TOLERANCE = {"savedmodel": 1e-5, "onnx": 1e-4, "litert": 1e-4}
FOLDED_TOLERANCE = 1e-4
# Pillow and TensorFlow scale images in float32, but in another order.
RAW_TOLERANCE = 1e-3
# Half precision has three digits, and each layer loses some of them.
HALF_TOLERANCE = 0.1
# Mean differences; 0.2 is a tenth of all probability in another class.
QUANTIZED_TOLERANCE = {"dynamic": 0.05, "int8": 0.2}


def compare(artefact: Any, model: keras.Model) -> dict[str, float]:
    """The difference between an opened artefact and a model, for each kind of images.

    Raises:
        ExportError: if a difference is larger than an export may have.
    """
    card = artefact.card
    contract = contract_of(model, tuple(card["input"]["shape"][1:]))
    names = [output["name"] for output in card["outputs"]]
    if [*contract.shape] != card["input"]["shape"][1:] or [*contract.outputs] != names:
        raise parity.ExportError(
            f"The model must take {card['input']['shape'][1:]} and give {names}. "
            f"Received: {[*contract.shape]} and {[*contract.outputs]}"
        )
    images = parity.probe_images(contract, None)
    expected = expected_outputs(reference(model), contract, images)
    folded = artefact.card["folded"] > 0
    return compared(artefact.card["format"], artefact, expected, images, artefact.card, folded)


def in_float32(model: keras.Model) -> keras.Model:
    """The model to ship, in float32; mixed precision keeps weights in float32 anyway."""
    if not has_graph(model):
        return model
    return for_inference(model, "float32" if is_half(model) else None)


def reference(model: keras.Model) -> keras.Model:
    """The model that an artefact must agree with: itself, or its float32 twin in half precision."""
    return in_float32(model) if is_half(model) else model


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
    predict: parity.Predict,
    expected: Mapping[str, parity.Outputs],
    images: Mapping[str, np.ndarray],
    options: Mapping[str, Any],
    folded: bool,
) -> dict[str, float]:
    """The differences between artefact and model; ExportError if one is too large."""
    quantization = options.get("quantization")
    if quantization:
        kind = "real" if "real" in images else "noise"
        mean = parity.mean_difference(predict, expected[kind], images[kind])
        tolerance = QUANTIZED_TOLERANCE[quantization]
        parity.check({kind: mean}, tolerance, "In the mean, a quantised artefact")
        return {f"{kind}, in the mean": mean}
    differences = parity.differences(predict, expected, images)
    tolerance = max(TOLERANCE[format], FOLDED_TOLERANCE if folded else 0.0)
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
