"""LiteRT, formerly TensorFlow Lite: the format for phones and small devices."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from keraskip.checks import check_choice, check_integer
from keraskip.export.errors import ADVICE, unknown_operations
from keraskip.export.formats import savedmodel
from keraskip.export.formats.format import Format, Options
from keraskip.export.formats.litert_runtime import FILE, Runner
from keraskip.export.formats.savedmodel import DEFAULT
from keraskip.export.network.tensors import Batch

if TYPE_CHECKING:
    import keras

    from keraskip.export.network.contract import Contract

# How the converter names an operation, and the place of one.
OPERATIONS = re.compile(r"'tf\.(\w+)'")
PLACES = re.compile(r'"(\w+):", "([^"@]+)@')
# Of recurrent layers, which keep their outputs in lists.
OF_LISTS = "TensorList"
OF_LOOPS = (
    "export with a batch_size, such as 1, or build the layer with unroll=True and a fixed length; "
    "or export a SavedModel, which has all operations"
)
# The kinds that need representative samples.
CALIBRATED = ("int8", "int8_only", "int16x8")
QUANTIZATIONS = (None, "float16", "dynamic", *CALIBRATED)
# The kind whose converter knows no whole numbers.
OF_FRACTIONS = "int16x8"


@dataclass(frozen=True)
class Choices(Options):
    """The choices for LiteRT; `keraskip.export_litert` explains them."""

    representative: Any = None
    batch_size: int | None = None

    def __post_init__(self) -> None:
        check_choice("quantization", self.quantization, QUANTIZATIONS)
        if self.batch_size is not None:
            check_integer("batch_size", self.batch_size, minimum=1)
        if (self.quantization in CALIBRATED) != (self.representative is not None):
            raise ValueError(
                f"representative samples are for quantization {', '.join(CALIBRATED)}, which need "
                f"them. Received: quantization={self.quantization!r}, "
                f"representative={'None' if self.representative is None else 'samples'}"
            )

    def checked(self, contract: "Contract") -> Options:
        """The options with representative samples as the model takes them."""
        _check_inputs(self.quantization, contract)
        samples = contract.checked("representative", self.representative)
        count = len(next(iter(samples.values()))) if samples else 0
        if samples and count < (self.batch_size or 1):
            raise ValueError(
                "representative must have a whole batch of samples. "
                f"Received: {count} samples, batch_size={self.batch_size}"
            )
        return replace(self, representative=samples)


def _check_inputs(quantization: str | None, contract: "Contract") -> None:
    """ValueError for a kind of quantisation that has no such inputs."""
    others = [str(each) for each in contract.inputs if each.dtype != "float32"]
    if quantization == OF_FRACTIONS and others:
        raise ValueError(
            f"quantization {OF_FRACTIONS!r} is for inputs of numbers with a fraction; 'int8' takes "
            f"whole numbers, too. Received: inputs {'; '.join(others)}"
        )


def write(model: "keras.Model", folder: Path, contract: "Contract", options: Choices) -> None:
    """Writes the model in the format of LiteRT."""
    import tensorflow as tf

    with TemporaryDirectory() as saved:
        signatures = savedmodel.Signatures(constant_weights=True, batch=options.batch_size)
        savedmodel.write(model, Path(saved), contract, signatures)
        if options.quantization in CALIBRATED and options.batch_size and _has_loops(saved):
            raise NotImplementedError(
                "LiteRT cannot find the ranges of numbers inside of a loop, which "
                f"{', '.join(CALIBRATED)} need: quantization='dynamic' and 'float16' need none, "
                "and a recurrent layer with unroll=True is no loop"
            )
        converter = tf.lite.TFLiteConverter.from_saved_model(saved, signature_keys=[DEFAULT])
        _quantize(converter, options)
        try:
            (folder / FILE).write_bytes(converter.convert())
        except Exception as error:
            if unknown := _unknown(str(error)):
                advice = OF_LOOPS if unknown[0][0].startswith(OF_LISTS) else ADVICE
                raise NotImplementedError(unknown_operations("LiteRT", unknown, advice)) from error
            raise


def _has_loops(saved: str) -> bool:
    """Whether a SavedModel has loops; to calibrate one ends the process."""
    import tensorflow as tf

    graph = tf.saved_model.load(saved).signatures[DEFAULT].graph.as_graph_def()
    nodes = chain(graph.node, *(each.node_def for each in graph.library.function))
    return any(node.op in ("While", "StatelessWhile") for node in nodes)


def _unknown(message: str) -> list[tuple[str, str]]:
    """The operations that the converter complains about, and the layers that need them."""
    places = dict(PLACES.findall(message))
    names = dict.fromkeys(OPERATIONS.findall(message))
    return [(name, places.get(name, "").rpartition("/")[0]) for name in names]


def _quantize(converter: Any, options: Choices) -> None:
    import tensorflow as tf

    kind, target, kinds = options.quantization, converter.target_spec, tf.lite.OpsSet
    if kind:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "float16":
        target.supported_types = [tf.float16]
    if kind in CALIBRATED:
        converter.representative_dataset = partial(_batches, options)
        wide = kinds.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        target.supported_ops = [wide if kind == OF_FRACTIONS else kinds.TFLITE_BUILTINS_INT8]
    if kind == "int8_only":
        converter.inference_input_type = converter.inference_output_type = tf.int8


def _batches(options: Choices) -> Iterator[Batch]:
    """The representative samples in whole batches."""
    size, samples = options.batch_size or 1, options.representative
    for start in range(0, len(next(iter(samples.values()))) - size + 1, size):
        yield {name: values[start : start + size] for name, values in samples.items()}


LITERT = Format(
    name="litert",
    modules=("tensorflow", "ai_edge_litert"),
    cure="pip install 'keraskip[litert]'",
    loading='ai_edge_litert.interpreter.Interpreter("FOLDER/model.tflite")'
    ".get_signature_runner()({keywords})",
    write=write,
    load=Runner,
    tolerance=1e-4,
    # 0.2 is a tenth of all probability in another class. Half precision keeps three digits.
    mean_tolerance={
        "float16": 0.01, "dynamic": 0.05, "int16x8": 0.05, "int8": 0.2, "int8_only": 0.2,
    },
    about=Runner.about,
)  # fmt: skip
