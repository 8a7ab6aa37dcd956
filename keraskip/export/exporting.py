"""The steps of every export: check, write to a draft, compare with the model, put in place."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keraskip.export.artefact import card, comparing, parity
from keraskip.export.artefact.drafts import check_target, draft
from keraskip.export.errors import ExportError
from keraskip.export.formats import FORMATS, savedmodel
from keraskip.export.formats.format import Options
from keraskip.export.formats.process import written
from keraskip.export.network.contract import Contract, contract_of
from keraskip.export.network.preprocessing import Preprocessing
from keraskip.export.network.shipping import shipping_of
from keraskip.export.network.weights import check_weights
from keraskip.export.request import Request, check_request
from keraskip.graph import has_graph


def export(
    format: str, model: keras.Model, path: str | Path, request: Request, options: Options
) -> Path:
    """Exports a model.

    Args:
        format: one of `FORMATS`.
        model: see `keraskip.export_savedmodel`.
        path: the folder to write.
        request: the arguments that all formats share, from `request_for`.
        options: those that the format alone has.
    """
    FORMATS[format].check_installed()
    contract = contract_of(model, request.get("input_shape"))
    _check_backend(model)
    check_request(request, contract)
    options = options.checked(contract)
    samples = contract.checked("samples", request.get("samples"))
    check_target(Path(path), request.get("overwrite", False))
    check_weights(model)
    facts = card.describe(model, contract, request.get("run"), request.get("metrics"))
    images, raw = _images(contract, samples, request["preprocessing"], options)
    shipping = shipping_of(model, request.get("fold_batch_norm", True))
    expected = comparing.expected_outputs(shipping.reference, contract, images)
    parity.check_finite(expected)
    with draft(Path(path), request.get("overwrite", False)) as folder:
        predict = written(format, shipping.network, folder, contract, options)
        kind, norms = options.quantization, shipping.norms
        differences = comparing.compared(format, predict, expected, images, kind, norms > 0)
        if raw is not None:
            differences |= comparing.compared_raw(savedmodel.from_raw(folder, raw), expected["raw"])
        if shipping.is_half:
            half = comparing.from_half(model, contract, expected, images)
            differences["half precision"] = half
        facts |= _choices(format, request, options) | {"folded": norms, "parity": differences}
        card.write(folder, facts)
    return Path(path)


def _check_backend(model: keras.Model) -> None:
    """ExportError for a model that no file can carry from another backend to TensorFlow."""
    if keras.backend.backend() != "tensorflow" and not has_graph(model):
        raise ExportError(
            "On the backends JAX and PyTorch only models with a graph can be exported. "
            f"Received: model of class {type(model).__name__}"
        )


def _images(
    contract: Contract,
    samples: np.ndarray | None,
    preprocessing: Preprocessing | None,
    options: Options,
) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    """The images to compare on, by kind, and the raw ones if a signature takes such."""
    images = parity.probe_images(contract, samples)
    if not {*savedmodel.RAW} & {*options.signatures}:
        return images, None
    raw = parity.raw_images(contract, images["noise"].shape[1:])
    images["raw"] = (preprocessing or Preprocessing())(raw, contract.size)
    return images, raw


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
