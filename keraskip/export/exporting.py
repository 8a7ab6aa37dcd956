"""The way of every export: refused early, written to a draft, compared with the model, shown."""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np

from keraskip.export import card, parity, savedmodel
from keraskip.export.contract import Contract, check_weights, contract_of
from keraskip.export.drafts import check_target, draft
from keraskip.export.folding import fold_batch_norm
from keraskip.export.preprocessing import Preprocessing
from keraskip.export.rebuild import for_inference, is_half
from keraskip.models.costs import has_graph

FORMATS = ("savedmodel", "onnx", "litert")
# What each format needs besides keraskip, and how to have it.
NEEDS = {
    "savedmodel": (("tensorflow",), "pip install tensorflow"),
    "onnx": (("tensorflow", "tf2onnx", "onnxruntime"), "pip install 'keraskip[onnx]'"),
    "litert": (("tensorflow", "ai_edge_litert"), "pip install 'keraskip[litert]'"),
}
# Relative to the largest output, or to 1: as the model computes, and with folded normalisation,
# whose products are rounded in another order.
TOLERANCE = {"savedmodel": 1e-5, "onnx": 1e-4, "litert": 1e-4}
FOLDED_TOLERANCE = 1e-4
# Pillow and TensorFlow scale images in float32, in another order.
RAW_TOLERANCE = 1e-3
# Half precision has three digits, which the layers of a network lose one after the other.
HALF_TOLERANCE = 0.1
# Of the mean difference.
QUANTIZED_TOLERANCE = {"dynamic": 0.02, "int8": 0.05}


@dataclass(frozen=True)
class Request:
    """What is asked of every export; `keraskip.export_savedmodel` says what it means."""

    preprocessing: Preprocessing | None = None
    class_names: Sequence[str] | None = None
    fold_batch_norm: bool = True
    samples: Any = None
    input_shape: tuple | None = None
    run: str | Path | None = None
    metrics: Mapping[str, float] | None = None
    overwrite: bool = False

    @property
    def names(self) -> list[str]:
        """Of the classes, none if they are not known."""
        return list(map(str, () if self.class_names is None else self.class_names))

    def check(self, contract: Contract) -> None:
        """ValueError unless it fits what the model takes and gives."""
        if self.preprocessing:
            self.preprocessing.check_channels(contract.shape[-1])
        if self.names and len(self.names) != contract.classes:
            raise ValueError(
                "class_names must name each class that the model gives a score. "
                f"Received: {len(self.names)} names, outputs {contract.outputs}"
            )


def export(
    format: str, model: keras.Model, path: str | Path, request: Request, **options: Any
) -> Path:
    """Exports a model.

    Args:
        format: a member of `FORMATS`, whose module writes and loads it.
        model: see `keraskip.export_savedmodel`.
        path: the folder to write.
        request: what is asked of every export.
        **options: what the format's `write` takes besides.
    """
    _check_installed(format)
    contract = contract_of(model, request.input_shape)
    request.check(contract)
    signatures = options.get("signatures", [])
    _check_signatures(signatures, contract)
    samples = contract.checked("samples", request.samples)
    if "representative" in options:
        options["representative"] = contract.checked("representative", options["representative"])
    check_target(Path(path), request.overwrite)
    check_weights(model)
    facts = card.describe(model, contract, request.run, request.metrics)
    images = parity.probe_images(contract, samples)
    raw = parity.raw_images(contract) if {*savedmodel.RAW} & {*signatures} else None
    if raw is not None:
        images["raw"] = (request.preprocessing or Preprocessing())(raw, contract.size)
    whole = _in_float32(model)
    expected = _expected(whole, contract, images)
    parity.check_finite(expected)
    fold = request.fold_batch_norm and has_graph(whole)
    shipped = fold_batch_norm(whole) if fold else whole
    with draft(Path(path), request.overwrite) as folder:
        predict = _written(format, shipped, folder, contract, options)
        found = _compared(format, predict, expected, images, options, shipped is not whole)
        if raw is not None:
            found |= _compared_raw(savedmodel.from_raw(folder, raw), expected["raw"])
        if is_half(model):
            found["half precision"] = _from_half(model, contract, expected, images)
        facts |= {
            "format": format,
            "signatures": signatures,
            "quantization": options.get("quantization"),
            "preprocessing": request.preprocessing and asdict(request.preprocessing),
            "class_names": request.names,
            "folded": _norms(whole) - _norms(shipped),
            "parity": found,
        }
        card.write(folder, facts)
    return Path(path)


def compare(artefact: Any, model: keras.Model) -> dict[str, float]:
    """How far an opened artefact is from a model, for each kind of images.

    Raises:
        ExportError: if that is farther than an export may be.
    """
    contract = contract_of(model, tuple(artefact.card["input"]["shape"][1:]))
    images = parity.probe_images(contract, None)
    expected = _expected(_in_float32(model), contract, images)
    folded = artefact.card["folded"] > 0
    return _compared(artefact.card["format"], artefact, expected, images, artefact.card, folded)


def _in_float32(model: keras.Model) -> keras.Model:
    """The model as it is to be shipped; mixed precision keeps the weights in float32 anyway."""
    if not has_graph(model):
        return model
    return for_inference(model, "float32" if is_half(model) else None)


def _check_installed(format: str) -> None:
    modules, cure = NEEDS[format]
    missing = [module for module in modules if not find_spec(module)]
    if missing:
        raise ImportError(f"This export needs {', '.join(missing)}: {cure}")


def _check_signatures(signatures: Sequence[str], contract: Contract) -> None:
    channels = contract.shape[-1]
    if "encoded" not in signatures:
        return
    if None in contract.size or channels not in savedmodel.ENCODED_CHANNELS:
        raise ValueError(
            "The signature 'encoded' needs a model of images of one size, with "
            f"{savedmodel.ENCODED_CHANNELS} channels. Received: input_shape={contract.shape}"
        )


def _expected(
    model: keras.Model, contract: Contract, images: Mapping[str, np.ndarray]
) -> dict[str, dict[str, np.ndarray]]:
    """What the model gives for each kind of images, by the names of its outputs."""
    batch = np.concatenate(list(images.values()))
    outputs = keras.tree.flatten(model.predict(batch, batch_size=len(batch), verbose=0))
    ends = np.cumsum([len(part) for part in images.values()])[:-1]
    parts = [np.split(np.asarray(output, "float32"), ends) for output in outputs]
    return {
        kind: dict(zip(contract.outputs, (part[place] for part in parts), strict=True))
        for place, kind in enumerate(images)
    }


def _written(
    format: str, model: keras.Model, folder: Path, contract: Contract, chosen: dict[str, Any]
) -> parity.Predict:
    """Writes the artefact and loads it again, by its own runtime."""
    module = importlib.import_module(f"keraskip.export.{format}")
    try:
        if keras.backend.backend() == "tensorflow":
            module.write(model, folder, contract, **chosen)
        else:
            _write_by_tensorflow(format, model, folder, contract, chosen)
        return module.load(folder)
    except (OSError, parity.ExportError):
        raise
    except Exception as error:
        raise parity.ExportError(
            f"Model {model.name!r} cannot be written as {format}: {_last_line(error)}"
        ) from error


def _write_by_tensorflow(
    format: str, model: keras.Model, folder: Path, contract: Contract, chosen: dict[str, Any]
) -> None:
    """Writes in a process of its own, where Keras computes with TensorFlow."""
    if not has_graph(model):
        raise parity.ExportError(
            "On the backends JAX and PyTorch only models with a graph are exported. "
            f"Received: model {model.name!r} of class {type(model).__name__}"
        )
    chosen = dict(chosen)
    with TemporaryDirectory() as place:
        saved = Path(place) / "model.keras"
        keras.Model(model.inputs, model.outputs, name=model.name).save(saved)
        representative = chosen.pop("representative", None)
        if representative is not None:
            np.save(Path(place) / "representative.npy", representative)
        if chosen.get("preprocessing"):
            chosen["preprocessing"] = asdict(chosen["preprocessing"])
        asked = {"format": format, "model": str(saved), "folder": str(folder)}
        done = subprocess.run(
            [sys.executable, "-m", "keraskip.export.worker"],
            input=json.dumps({**asked, "contract": asdict(contract), "options": chosen}),
            env={**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
        )
    if done.returncode:
        raise parity.ExportError(done.stderr.strip().splitlines()[-1])


def _compared(
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


def _compared_raw(
    found: Mapping[str, parity.Outputs], expected: parity.Outputs
) -> dict[str, float]:
    differences = {
        f"signature {signature}": max(
            parity.largest_difference(outputs[name], wanted) for name, wanted in expected.items()
        )
        for signature, outputs in found.items()
    }
    parity.check(differences, RAW_TOLERANCE, "A signature for raw images")
    return differences


def _from_half(
    model: keras.Model,
    contract: Contract,
    expected: Mapping[str, parity.Outputs],
    images: Mapping[str, np.ndarray],
) -> float:
    """How far the model itself, in half precision, is from what is exported in float32."""
    kinds = {kind: batch for kind, batch in images.items() if kind in ("real", "noise")}
    half = _expected(model, contract, kinds)
    found = max(
        parity.largest_difference(half[kind][name], expected[kind][name])
        for kind in kinds
        for name in contract.outputs
    )
    parity.check({"usual": found}, HALF_TOLERANCE, "In float32 the model")
    return found


def _norms(model: keras.Model) -> int:
    layers = model._flatten_layers()
    return sum(isinstance(layer, keras.layers.BatchNormalization) for layer in layers)


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
