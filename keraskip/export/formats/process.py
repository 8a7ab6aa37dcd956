"""Writes a model in a format; on JAX and PyTorch in a process of its own, by TensorFlow."""

import os
import pickle
import subprocess
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from keraskip.export.errors import ExportError, cause
from keraskip.export.formats import FORMATS
from keraskip.export.formats.format import Options, Predict

if TYPE_CHECKING:
    import keras

    from keraskip.export.network.contract import Contract

MODEL_FILE = "model.keras"
TASK_FILE = "task.pickle"


def written(
    format: str, model: "keras.Model", folder: Path, contract: "Contract", options: Options
) -> Predict:
    """Writes the artefact; returns a function that runs it, as loaded by its own runtime."""
    import keras

    own = keras.backend.backend() == "tensorflow"
    write = FORMATS[format].write if own else partial(_write_elsewhere, format)
    try:
        write(model, folder, contract, options)
        return FORMATS[format].load(folder)
    except Exception as error:
        # On another backend an ExportError says no more than that TensorFlow could not do it.
        if isinstance(error, OSError) or (own and isinstance(error, ExportError)):
            raise
        if predict := _by_the_other_road(format, model, folder, contract, options):
            return predict
        if isinstance(error, ExportError):
            raise
        raise ExportError(
            f"Model {model.name!r} cannot be written as {format}: {cause(error)}"
        ) from error


def _by_the_other_road(
    format: str, model: "keras.Model", folder: Path, contract: "Contract", options: Options
) -> Predict | None:
    """The same by the other road of the format; None if it has none, or that fails as well."""
    road = FORMATS[format].other_road
    if road is None:
        return None
    try:
        road(model, folder, contract, options)
        return FORMATS[format].load(folder)
    except Exception:
        # Whatever its error says is about a road that nobody asked for.
        return None


def _write_elsewhere(
    format: str, model: "keras.Model", folder: Path, contract: "Contract", options: Options
) -> None:
    """Writes in a process of its own, where TensorFlow is the backend of Keras."""
    import keras

    from keraskip.models.large_graphs import deep_graphs

    with TemporaryDirectory() as task:
        with deep_graphs():
            twin = keras.Model(model.input, model.output, name=model.name)
            twin.save(Path(task) / MODEL_FILE)
        (Path(task) / TASK_FILE).write_bytes(pickle.dumps((format, folder, contract, options)))
        done = subprocess.run(
            [sys.executable, "-m", "keraskip.export.formats.process", task],
            env={**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
        )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise ExportError(f"TensorFlow could not write the model: {lines[-1]}")


def _write_task(folder: Path) -> None:
    """Writes what the process that started this one has put into the folder."""
    from keraskip.models.loading import load_model

    format, target, contract, options = pickle.loads((folder / TASK_FILE).read_bytes())
    # Loading without safe mode is fine: the parent process just wrote this file.
    model = load_model(folder / MODEL_FILE, safe_mode=False)
    try:
        FORMATS[format].write(model, target, contract, options)
    except Exception as error:
        sys.exit(cause(error))


if __name__ == "__main__":
    _write_task(Path(sys.argv[1]))
