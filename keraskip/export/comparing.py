"""What a model gives, and how far an artefact, or another precision, may be from it."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keraskip.export import parity
from keraskip.export.contract import Contract, contract_of
from keraskip.export.rebuild import for_inference, is_half
from keraskip.graph import has_graph

# Relative to the largest output, or to 1: as the model computes, and with folded normalisation,
# whose products are rounded in another order.
TOLERANCE = {"savedmodel": 1e-5, "onnx": 1e-4, "litert": 1e-4}
FOLDED_TOLERANCE = 1e-4
# Pillow and TensorFlow scale images in float32, in another order.
RAW_TOLERANCE = 1e-3
# Half precision has three digits, which the layers of a network lose one after the other.
HALF_TOLERANCE = 0.1
# Of the mean difference: a tenth of all probability in another class.
QUANTIZED_TOLERANCE = {"dynamic": 0.05, "int8": 0.2}


def compare(artefact: Any, model: keras.Model) -> dict[str, float]:
    """How far an opened artefact is from a model, for each kind of images.

    Raises:
        ExportError: if that is farther than an export may be.
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
    """The model as it is to be shipped; mixed precision keeps the weights in float32 anyway."""
    if not has_graph(model):
        return model
    return for_inference(model, "float32" if is_half(model) else None)


def reference(model: keras.Model) -> keras.Model:
    """What an artefact has to agree with: the model itself, in half precision its twin."""
    return in_float32(model) if is_half(model) else model


def expected_outputs(
    model: keras.Model, contract: Contract, images: Mapping[str, np.ndarray]
) -> dict[str, dict[str, np.ndarray]]:
    """What the model gives for each kind of images, by the names of its outputs."""
    batch = keras.ops.convert_to_tensor(np.concatenate(list(images.values())))
    outputs = [
        keras.ops.convert_to_numpy(keras.ops.cast(output, "float32"))
        for output in keras.tree.flatten(model(batch, training=False))
    ]
    ends = np.cumsum([len(part) for part in images.values()])[:-1]
    parts = [np.split(output, ends) for output in outputs]
    return {
        kind: dict(zip(contract.outputs, (part[place] for part in parts), strict=True))
        for place, kind in enumerate(images)
    }


def compared(
    format: str,
    predict: parity.Predict,
    expected: Mapping[str, parity.Outputs],
    images: Mapping[str, np.ndarray],
    chosen: Mapping[str, Any],
    folded: bool,
) -> dict[str, float]:
    """The differences between artefact and model; ExportError if they are too large."""
    quantization = chosen.get("quantization")
    if quantization:
        kind = "real" if "real" in images else "noise"
        found = {kind: parity.mean_difference(predict, expected[kind], images[kind])}
        parity.check(found, QUANTIZED_TOLERANCE[quantization], "In the mean, a quantised artefact")
        return {f"{kind}, in the mean": found[kind]}
    found = parity.differences(predict, expected, images)
    tolerance = max(TOLERANCE[format], FOLDED_TOLERANCE if folded else 0.0)
    parity.check(found, tolerance, "The artefact")
    return found


def compared_raw(found: Mapping[str, parity.Outputs], expected: parity.Outputs) -> dict[str, float]:
    """How far the signatures for raw images are from the model; ExportError if too far."""
    differences = {
        f"signature {signature}": parity.largest(outputs, expected)
        for signature, outputs in found.items()
    }
    parity.check(differences, RAW_TOLERANCE, "A signature for raw images")
    return differences


def from_half(
    model: keras.Model,
    contract: Contract,
    expected: Mapping[str, parity.Outputs],
    images: Mapping[str, np.ndarray],
) -> float:
    """How far the model itself, in half precision, is from what is exported in float32."""
    kinds = {kind: batch for kind, batch in images.items() if kind in ("real", "noise")}
    half = expected_outputs(model, contract, kinds)
    found = float(np.max([parity.largest(half[kind], expected[kind]) for kind in kinds]))
    parity.check({"usual": found}, HALF_TOLERANCE, "In float32 the model")
    return found
