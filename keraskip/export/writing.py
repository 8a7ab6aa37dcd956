"""Writes a model in a format, and loads it again as its users will.

On JAX and PyTorch another process writes, where TensorFlow is the backend of Keras.
"""

import importlib
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np

from keraskip.export import parity
from keraskip.export.contract import Contract
from keraskip.export.worker import REPRESENTATIVE
from keraskip.models.large_graphs import deep_graphs


def written(
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


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
