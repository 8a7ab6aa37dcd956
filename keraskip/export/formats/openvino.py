"""OpenVINO, the format for processors and other devices of Intel."""

import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from keraskip.export.errors import unknown_operations
from keraskip.export.formats import savedmodel
from keraskip.export.formats.format import Format, Options, Predict, refuse_strings
from keraskip.export.network.tensors import Batch
from keraskip.machine import processors

if TYPE_CHECKING:
    import keras

    from keraskip.export.network.contract import Contract

FILE = "model.xml"
# Processors that have bfloat16 would use it.
PRECISION = {"INFERENCE_PRECISION_HINT": "f32"}
# How the reader names operations that it does not know.
OPERATIONS = re.compile(r"No conversion rule found for operations: ([\w, ]+)")


def _openvino() -> ModuleType:
    """OpenVINO, which does without its reporter to Intel where that cannot be imported.

    With it, an import would send a message and write into the home directory.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def write(model: "keras.Model", folder: Path, contract: "Contract", options: Options) -> None:
    """Writes the model in the format of OpenVINO, in float32, from a SavedModel."""
    openvino = _openvino()
    refuse_strings(contract, "OpenVINO")
    with TemporaryDirectory() as saved:
        savedmodel.write(model, Path(saved), contract, savedmodel.Signatures(constant_weights=True))
        try:
            graph = openvino.Core().read_model(saved)
        except Exception as error:
            if named := OPERATIONS.search(str(error)):
                unknown = [(each, "") for each in named[1].split(", ")]
                raise NotImplementedError(unknown_operations("OpenVINO", unknown)) from error
            raise
        openvino.save_model(graph, folder / FILE, compress_to_fp16=False)


def load(folder: Path) -> Predict:
    """Loads the artefact, by OpenVINO with a thread for each processor."""
    openvino = _openvino()
    settings = {**PRECISION, "INFERENCE_NUM_THREADS": processors()}
    network = openvino.compile_model(folder / FILE, "CPU", settings)

    def predict(batch: Batch) -> dict[str, np.ndarray]:
        # An input that no output depends on is not there; one that is an output has its names, too.
        inputs = {port: batch[name] for port in network.inputs for name in port.names & {*batch}}
        # A request of its own for each call, as threads must not share one.
        found = network.create_infer_request().infer(inputs)
        named = {name: values for port, values in found.items() for name in port.names}
        return {name: values for name, values in named.items() if name not in batch}

    return predict


def about(predict: Predict) -> dict[str, str]:
    """How it was run."""
    return {"runs in float32 with": f"{processors()} threads of OpenVINO"}


OPENVINO = Format(
    name="openvino",
    modules=("tensorflow", "openvino"),
    cure="pip install 'keraskip[openvino]'",
    loading='openvino.compile_model("FOLDER/model.xml", "CPU", '
    '{{"INFERENCE_PRECISION_HINT": "f32"}})({{{items}}})',
    write=write,
    load=load,
    tolerance=1e-4,
    about=about,
)
