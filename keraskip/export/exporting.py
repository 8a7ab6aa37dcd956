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
from keraskip.graph import has_graph
from keraskip.models.frame import deep_graphs

# What each format needs besides keraskip, and how to have it.
NEEDS = {
    "savedmodel": (("tensorflow",), "pip install tensorflow"),
    "onnx": (("tensorflow", "tf2onnx", "onnxruntime"), "pip install 'keraskip[onnx]'"),
    "litert": (("tensorflow", "ai_edge_litert"), "pip install 'keraskip[litert]'"),
}


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

    def __post_init__(self) -> None:
        if isinstance(self.class_names, str):
            raise TypeError(f"class_names must be a list of names. Received: {self.class_names!r}")
        # A list, as it is read several times, and empty if they are not known.
        object.__setattr__(self, "class_names", [str(name) for name in self.class_names or ()])

    def check(self, contract: Contract) -> None:
        """ValueError unless it fits what the model takes and gives."""
        if self.preprocessing:
            self.preprocessing.check_channels(contract.shape[-1])
        names = self.class_names or ()
        if names and len(names) != contract.classes:
            raise ValueError(
                "class_names must name each class that the model gives a score. "
                f"Received: {len(names)} names, outputs {contract.outputs}"
            )


def export(
    format: str, model: keras.Model, path: str | Path, request: Request, **options: Any
) -> Path:
    """Exports a model.

    Args:
        format: one of `NEEDS`; the module of that name writes and loads it.
        model: see `keraskip.export_savedmodel`.
        path: the folder to write.
        request: what is asked of every export.
        **options: what the format's `write` takes besides.
    """
    _check_installed(format)
    contract = contract_of(model, request.input_shape)
    _check_backend(model)
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
    raw = None
    if {*savedmodel.RAW} & {*signatures}:
        raw = parity.raw_images(contract, images["noise"].shape[1:])
        images["raw"] = (request.preprocessing or Preprocessing())(raw, contract.size)
    whole = in_float32(model)
    expected = expected_outputs(reference(model), contract, images)
    parity.check_finite(expected)
    fold = request.fold_batch_norm and has_graph(whole)
    shipped = fold_batch_norm(whole) if fold else whole
    with draft(Path(path), request.overwrite) as folder:
        predict = _written(format, shipped, folder, contract, options)
        found = compared(format, predict, expected, images, options, shipped is not whole)
        if raw is not None:
            found |= compared_raw(savedmodel.from_raw(folder, raw), expected["raw"])
        if is_half(model):
            found["half precision"] = from_half(model, contract, expected, images)
        facts |= {
            "format": format,
            "signatures": signatures,
            "quantization": options.get("quantization"),
            "preprocessing": request.preprocessing and asdict(request.preprocessing),
            "class_names": request.class_names,
            "folded": _norms(whole) - _norms(shipped),
            "parity": found,
        }
        card.write(folder, facts)
    return Path(path)


def _check_backend(model: keras.Model) -> None:
    """Another backend hands the model to TensorFlow in a file, which has to hold all of it."""
    if keras.backend.backend() != "tensorflow" and not has_graph(model):
        raise parity.ExportError(
            "On the backends JAX and PyTorch only models with a graph are exported. "
            f"Received: model of class {type(model).__name__}"
        )


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
    chosen = dict(chosen)
    with TemporaryDirectory() as place:
        saved = Path(place) / "model.keras"
        with deep_graphs():
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
        said = done.stderr.strip().splitlines() or [f"the process ended with {done.returncode}"]
        raise parity.ExportError(f"TensorFlow could not write the model: {said[-1]}")


def _norms(model: keras.Model) -> int:
    layers = model._flatten_layers()
    return sum(isinstance(layer, keras.layers.BatchNormalization) for layer in layers)


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
