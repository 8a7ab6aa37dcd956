"""The steps of every export: check, write to a draft, compare with the model, put in place."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keraskip.export.artefact import card, gate, probes
from keraskip.export.artefact.drafts import check_target, draft
from keraskip.export.errors import ExportError
from keraskip.export.formats import FORMATS, savedmodel
from keraskip.export.formats.format import Options
from keraskip.export.formats.process import written
from keraskip.export.network.contract import Contract, contract_of
from keraskip.export.network.preprocessing import Preprocessing
from keraskip.export.network.shipping import shipping_of
from keraskip.export.network.tensors import Batch
from keraskip.export.network.weights import check_weights
from keraskip.export.request import Request, check_request
from keraskip.graph import has_graph

# Height and width of raw images for a model of any size.
RAW_SIDE = 64


def export(
    format: str, model: keras.Model, path: str | Path, request: Request, options: Options
) -> Path:
    """Exports a model.

    Args:
        format: one of `FORMATS`.
        model: see `keraskip.export_savedmodel`.
        path: the folder to write.
        request: the arguments that all formats share, from `request_for`.
        options: arguments of this format alone.
    """
    FORMATS[format].check_installed()
    check_target(Path(path), request.get("overwrite", False))
    contract = contract_of(model, request.get("input_shape"))
    _check_backend(model, contract)
    check_request(request, contract)
    options = options.checked(contract)
    samples = contract.checked("samples", request.get("samples"))
    check_weights(model)
    facts = card.describe(model, contract, request.get("run"), request.get("metrics"))
    raw, prepared = _raw(contract, request["preprocessing"], options)
    shipping = shipping_of(model, request.get("fold_batch_norm", True))
    reference = gate.reference_of(shipping.reference, contract, samples, prepared)
    reference.check_finite()
    with draft(Path(path), request.get("overwrite", False)) as folder:
        predict = written(format, shipping.network, folder, contract, options)
        kind, norms = options.quantization, shipping.norms
        differences, rounding = gate.judged(format, predict, reference, kind, norms > 0)
        if raw is not None:
            differences |= gate.judged_raw(savedmodel.from_raw(folder, raw), reference)
        if shipping.precision:
            differences[shipping.precision] = gate.to_float32(model, reference)
        facts |= _choices(format, request, options)
        facts["about"] = FORMATS[format].about(predict)
        facts |= {"folded": norms, "parity": differences, "rounding": rounding}
        facts |= {"sample_shapes": reference.shapes, "outputs": card.entries(reference.outputs)}
        card.write(folder, facts)
    return Path(path)


def _check_backend(model: keras.Model, contract: Contract) -> None:
    """ExportError for a model that no file can carry from another backend to TensorFlow."""
    if keras.backend.backend() == "tensorflow":
        return
    if not has_graph(model):
        raise ExportError(
            "On the backends JAX and PyTorch only models with a graph can be exported. "
            f"Received: model of class {type(model).__name__}"
        )
    if not _has_names_for_keys(contract.nesting):
        raise ExportError(
            "On the backends JAX and PyTorch inputs in a dict need strings as keys, as Keras' file "
            f"makes strings of them. Received: model {model.name!r} of the inputs "
            f"{'; '.join(map(str, contract.inputs))}"
        )


def _has_names_for_keys(nesting: Any) -> bool:
    if isinstance(nesting, dict):
        return all(isinstance(key, str) for key in nesting) and _has_names_for_keys(
            list(nesting.values())
        )
    return not isinstance(nesting, list | tuple) or all(map(_has_names_for_keys, nesting))


def _raw(
    contract: Contract, preprocessing: Preprocessing | None, options: Options
) -> tuple[np.ndarray | None, Batch | None]:
    """Raw images, if a signature takes such, and what they become for the model."""
    if contract.image is None or not {*savedmodel.RAW} & {*options.signatures}:
        return None, None
    (shape,) = probes.shapes_of(contract.inputs, None, RAW_SIDE).values()
    raw = probes.raw_images(shape, fixed=None not in contract.size)
    prepared = (preprocessing or Preprocessing())(raw, contract.size)
    (images,) = contract.inputs
    return raw, {images.name: images.batch(prepared)}


def _choices(format: str, request: Request, options: Options) -> dict[str, Any]:
    """The card's entries about the arguments of the export."""
    steps = request["preprocessing"]
    return {
        "format": format,
        "signatures": list(options.signatures),
        "quantization": options.quantization,
        "preprocessing": steps and asdict(steps),
        "class_names": request["class_names"],
    }
