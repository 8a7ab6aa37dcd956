"""LiteRT, formerly TensorFlow Lite: the format for phones and small devices."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from keraskip.checks import check_choice
from keraskip.export.errors import unknown_operations
from keraskip.export.formats import savedmodel
from keraskip.export.formats.format import Format, Options, Predict
from keraskip.export.formats.savedmodel import DEFAULT
from keraskip.export.network.tensors import Batch
from keraskip.machine import processors

if TYPE_CHECKING:
    import keras

    from keraskip.export.network.contract import Contract

FILE = "model.tflite"
# How the converter names an operation, and the place of one.
OPERATIONS = re.compile(r"'tf\.(\w+)'")
PLACES = re.compile(r'"(\w+):", "([^"@]+)@')
ADVICE = (
    "replace the layer (a recurrent one by itself with unroll=True and a fixed length), or export "
    "a SavedModel, which has all operations"
)
QUANTIZATIONS = (None, "dynamic", "int8")


@dataclass(frozen=True)
class Quantization(Options):
    """The choices for LiteRT; `keraskip.export_litert` explains them."""

    representative: Any = None

    def __post_init__(self) -> None:
        check_choice("quantization", self.quantization, QUANTIZATIONS)
        if (self.quantization == "int8") != (self.representative is not None):
            raise ValueError(
                "representative samples are for quantization='int8', which needs them. "
                f"Received: quantization={self.quantization!r}, "
                f"representative={'None' if self.representative is None else 'samples'}"
            )

    def checked(self, contract: "Contract") -> Options:
        """The options with representative samples as the model takes them."""
        samples = contract.checked("representative", self.representative)
        return replace(self, representative=samples)


def write(model: "keras.Model", folder: Path, contract: "Contract", options: Quantization) -> None:
    """Writes the model in the format of LiteRT.

    With `"dynamic"` the weights have 8 bits, with `"int8"` the activations too, in the range that
    the representative samples show. Inputs and outputs are float32 in any case.
    """
    import tensorflow as tf

    with TemporaryDirectory() as saved:
        savedmodel.write(model, Path(saved), contract, savedmodel.Signatures())
        converter = tf.lite.TFLiteConverter.from_saved_model(saved, signature_keys=[DEFAULT])
        _quantize(converter, options)
        try:
            (folder / FILE).write_bytes(converter.convert())
        except Exception as error:
            if unknown := _unknown(str(error)):
                raise NotImplementedError(unknown_operations("LiteRT", unknown, ADVICE)) from error
            raise


def _unknown(message: str) -> list[tuple[str, str]]:
    """The operations that the converter complains about, and the layers that need them."""
    places = dict(PLACES.findall(message))
    names = dict.fromkeys(OPERATIONS.findall(message))
    return [(name, places.get(name, "").rpartition("/")[0]) for name in names]


def _quantize(converter: Any, options: Quantization) -> None:
    import tensorflow as tf

    if options.quantization:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if options.quantization == "int8":

        def one_by_one() -> Iterator[Batch]:
            samples = options.representative
            for index in range(len(next(iter(samples.values())))):
                yield {name: values[index : index + 1] for name, values in samples.items()}

        converter.representative_dataset = one_by_one
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]


def load(folder: Path) -> Predict:
    """Loads the artefact, by the interpreter of LiteRT with a thread for each processor."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(folder / FILE), num_threads=processors())
    run = interpreter.get_signature_runner()
    # An input that no output depends on is not there.
    inputs = interpreter.get_signature_list()[DEFAULT]["inputs"]

    def predict(batch: Batch) -> dict[str, np.ndarray]:
        outputs: dict[str, Any] = run(**{name: batch[name] for name in inputs})
        return outputs

    return predict


LITERT = Format(
    name="litert",
    modules=("tensorflow", "ai_edge_litert"),
    cure="pip install 'keraskip[litert]'",
    loading='ai_edge_litert.interpreter.Interpreter("FOLDER/model.tflite")'
    ".get_signature_runner()({keywords})",
    write=write,
    load=load,
    tolerance=1e-4,
    # 0.2 is a tenth of all probability in another class.
    mean_tolerance={"dynamic": 0.05, "int8": 0.2},
)
