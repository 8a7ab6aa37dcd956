"""The steps of every export: check, write to a draft, compare with the model, put in place."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keraskip.export import card, parity, savedmodel
from keraskip.export.comparing import (
    compared,
    compared_raw,
    expected_outputs,
    from_half,
    in_float32,
    reference,
)
from keraskip.export.contract import Contract, check_weights, contract_of
from keraskip.export.drafts import check_target, draft
from keraskip.export.folding import fold_batch_norm
from keraskip.export.preprocessing import Preprocessing
from keraskip.export.rebuild import is_half
from keraskip.export.request import Request, check_backend, check_installed, check_signatures
from keraskip.export.writing import written
from keraskip.graph import has_graph


def export(
    format: str, model: keras.Model, path: str | Path, request: Request, **options: Any
) -> Path:
    """Exports a model.

    Args:
        format: one of `NEEDS`; the module of that name writes and loads it.
        model: see `keraskip.export_savedmodel`.
        path: the folder to write.
        request: the arguments that all formats share.
        **options: further arguments of the format's `write`.
    """
    check_installed(format)
    contract = contract_of(model, request.input_shape)
    check_backend(model)
    request.check(contract)
    signatures = options.get("signatures", [])
    check_signatures(signatures, contract)
    samples = contract.checked("samples", request.samples)
    if "representative" in options:
        options["representative"] = contract.checked("representative", options["representative"])
    check_target(Path(path), request.overwrite)
    check_weights(model)
    facts = card.describe(model, contract, request.run, request.metrics)
    images, raw = _images(contract, samples, request.preprocessing, signatures)
    unfolded = in_float32(model)
    expected = expected_outputs(reference(model), contract, images)
    parity.check_finite(expected)
    fold = request.fold_batch_norm and has_graph(unfolded)
    shipped = fold_batch_norm(unfolded) if fold else unfolded
    with draft(Path(path), request.overwrite) as folder:
        predict = written(format, shipped, folder, contract, options)
        differences = compared(format, predict, expected, images, options, shipped is not unfolded)
        if raw is not None:
            differences |= compared_raw(savedmodel.from_raw(folder, raw), expected["raw"])
        if is_half(model):
            differences["half precision"] = from_half(model, contract, expected, images)
        folded = _norms(unfolded) - _norms(shipped)
        facts |= _choices(format, request, options) | {"folded": folded, "parity": differences}
        card.write(folder, facts)
    return Path(path)


def _images(
    contract: Contract,
    samples: np.ndarray | None,
    preprocessing: Preprocessing | None,
    signatures: Sequence[str],
) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    """The images to compare on, by kind, and the raw ones if a signature takes such."""
    images = parity.probe_images(contract, samples)
    if not {*savedmodel.RAW} & {*signatures}:
        return images, None
    raw = parity.raw_images(contract, images["noise"].shape[1:])
    images["raw"] = (preprocessing or Preprocessing())(raw, contract.size)
    return images, raw


def _choices(format: str, request: Request, options: Mapping[str, Any]) -> dict[str, Any]:
    """The card's entries about the arguments of the export."""
    return {
        "format": format,
        "signatures": options.get("signatures", []),
        "quantization": options.get("quantization"),
        "preprocessing": request.preprocessing and asdict(request.preprocessing),
        "class_names": request.class_names,
    }


def _norms(model: keras.Model) -> int:
    layers = model._flatten_layers()
    return sum(isinstance(layer, keras.layers.BatchNormalization) for layer in layers)
