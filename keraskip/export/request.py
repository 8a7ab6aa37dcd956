"""What an export is asked for, checked before any work starts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras

from keraskip.export import parity, savedmodel
from keraskip.export.contract import Contract
from keraskip.export.preprocessing import Preprocessing, preprocessing_of_run
from keraskip.graph import has_graph
from keraskip.models.origin import origin_of

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


def request_for(model: keras.Model, **arguments: Any) -> Request:
    """The request, with the preprocessing of the run, or preprocessing and classes of the weights.

    Those that are given go first; `Preprocessing()` and an empty list stand for none. After a run
    the weights are no longer those that the model was built with, and its images may be others.
    """
    known: dict[str, Any] = {}
    if (run := arguments.get("run")) is not None:
        known["preprocessing"] = preprocessing_of_run(run)
    elif origin := origin_of(model):
        known["preprocessing"] = Preprocessing.of_model(model)
        known["class_names"] = origin.class_names
    given = {name: value for name, value in arguments.items() if value is not None}
    return Request(**(known | given))


def check_backend(model: keras.Model) -> None:
    """ExportError for a model that no file can carry from another backend to TensorFlow."""
    if keras.backend.backend() != "tensorflow" and not has_graph(model):
        raise parity.ExportError(
            "On the backends JAX and PyTorch only models with a graph can be exported. "
            f"Received: model of class {type(model).__name__}"
        )


def check_installed(format: str) -> None:
    """ImportError if the format needs packages that are not there."""
    modules, cure = NEEDS[format]
    missing = [module for module in modules if not find_spec(module)]
    if missing:
        raise ImportError(f"This export needs {', '.join(missing)}: {cure}")


def check_signatures(signatures: Sequence[str], contract: Contract) -> None:
    """ValueError unless the model's images can come as encoded files, if they are to."""
    channels = contract.shape[-1]
    if "encoded" not in signatures:
        return
    if None in contract.size or channels not in savedmodel.ENCODED_CHANNELS:
        raise ValueError(
            "The signature 'encoded' needs a model of images of one size, with "
            f"{savedmodel.ENCODED_CHANNELS} channels. Received: input_shape={contract.shape}"
        )
