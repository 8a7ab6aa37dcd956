"""The steps of every export: check, write to a draft, compare with the model, put in place."""

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
from keraskip.export.worker import REPRESENTATIVE
from keraskip.graph import has_graph
from keraskip.models.frame import deep_graphs

# The modules that each format needs, and the command that installs them.
NEEDS = {
    "savedmodel": (("tensorflow",), "pip install tensorflow"),
    "onnx": (("tensorflow", "tf2onnx", "onnxruntime"), "pip install 'keraskip[onnx]'"),
    "litert": (("tensorflow", "ai_edge_litert"), "pip install 'keraskip[litert]'"),
}


@dataclass(frozen=True)
class Request:
    """The arguments that all formats share; `keraskip.export_savedmodel` explains them."""

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
        # A list, as it is read several times; empty if the names are not known.
        object.__setattr__(self, "class_names", [str(name) for name in self.class_names or ()])

    def check(self, contract: Contract) -> None:
        """ValueError unless preprocessing and class names fit the model."""
        if self.preprocessing:
            self.preprocessing.check_channels(contract.shape[-1])
        names = self.class_names or ()
        if names and len(names) != contract.classes:
            raise ValueError(
                "class_names must have a name for each class of the model. "
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
        request: the arguments that all formats share.
        **options: further arguments of the format's `write`.
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
    images, raw = _images(contract, samples, request.preprocessing, signatures)
    unfolded = in_float32(model)
    expected = expected_outputs(reference(model), contract, images)
    parity.check_finite(expected)
    fold = request.fold_batch_norm and has_graph(unfolded)
    shipped = fold_batch_norm(unfolded) if fold else unfolded
    with draft(Path(path), request.overwrite) as folder:
        predict = _written(format, shipped, folder, contract, options)
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


def _check_backend(model: keras.Model) -> None:
    """On other backends a file carries the model to TensorFlow, so it must hold all of it."""
    if keras.backend.backend() != "tensorflow" and not has_graph(model):
        raise parity.ExportError(
            "On the backends JAX and PyTorch only models with a graph can be exported. "
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
    format: str, model: keras.Model, folder: Path, contract: Contract, options: dict[str, Any]
) -> parity.Predict:
    """Writes the artefact; returns a function that runs it, as loaded by its own runtime."""
    module = importlib.import_module(f"keraskip.export.{format}")
    try:
        if keras.backend.backend() == "tensorflow":
            module.write(model, folder, contract, **options)
        else:
            _write_by_tensorflow(format, model, folder, contract, options)
        return module.load(folder)
    except (OSError, parity.ExportError):
        raise
    except Exception as error:
        raise parity.ExportError(
            f"Model {model.name!r} cannot be written as {format}: {_last_line(error)}"
        ) from error


def _write_by_tensorflow(
    format: str, model: keras.Model, folder: Path, contract: Contract, options: dict[str, Any]
) -> None:
    """Writes in a process of its own, where TensorFlow is the backend of Keras."""
    with TemporaryDirectory() as inputs:
        file = Path(inputs) / "model.keras"
        with deep_graphs():
            keras.Model(model.inputs, model.outputs, name=model.name).save(file)
        options = dict(options)
        representative = options.pop("representative", None)
        if representative is not None:
            np.save(file.with_name(REPRESENTATIVE), representative)
        if options.get("preprocessing"):
            options["preprocessing"] = asdict(options["preprocessing"])
        task = {"format": format, "model": str(file), "folder": str(folder)}
        done = subprocess.run(
            [sys.executable, "-m", "keraskip.export.worker"],
            input=json.dumps({**task, "contract": asdict(contract), "options": options}),
            env={**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
        )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise parity.ExportError(f"TensorFlow could not write the model: {lines[-1]}")


def _norms(model: keras.Model) -> int:
    layers = model._flatten_layers()
    return sum(isinstance(layer, keras.layers.BatchNormalization) for layer in layers)


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
