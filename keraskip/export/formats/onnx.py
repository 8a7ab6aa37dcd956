"""ONNX, the format that onnxruntime and many other runtimes load."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keraskip.checks import check_integer
from keraskip.export.errors import unknown_operations
from keraskip.export.formats.format import Format, Options, refuse_strings
from keraskip.export.formats.onnx_by_keras import FILE, write_by_keras
from keraskip.export.formats.onnx_operations import HANDLERS
from keraskip.export.formats.savedmodel import scoring, specs_of
from keraskip.export.network.tensors import Batch
from keraskip.machine import processors

if TYPE_CHECKING:
    import keras

    from keraskip.export.network.contract import Contract

# The first one with all that the converter writes for the layers of Keras, and its last one.
OLDEST, NEWEST = 13, 18
# In a vocabulary.
LOOKUP = "LookupTableFindV2"


@dataclass(frozen=True)
class Opset(Options):
    """The choice for ONNX; `keraskip.export_onnx` explains it."""

    opset: int = 18

    def __post_init__(self) -> None:
        check_integer("opset", self.opset, minimum=OLDEST, maximum=NEWEST)


def write(model: "keras.Model", folder: Path, contract: "Contract", options: Opset) -> None:
    """Writes the model in the ONNX format, by tf2onnx."""
    import tensorflow as tf
    import tf2onnx

    refuse_strings(contract, "ONNX")
    network = scoring(partial(model, training=False), contract)
    specs = specs_of(contract)
    function = tf.function(_inlined(network), specs, autograph=False)
    whole = function.get_concrete_function()
    if tables := [each for each in whole.graph.get_operations() if each.type == LOOKUP]:
        places = [(each.type, each.name.rpartition("/")[0]) for each in tables]
        raise NotImplementedError(unknown_operations("ONNX", places))
    if any(each.dtype != tf.resource for each in whole.captured_inputs):
        function = tf.function(_without_captures(function), specs, autograph=False)
    graph, _ = tf2onnx.convert.from_function(
        function, specs, opset=options.opset, custom_op_handlers=HANDLERS
    )
    if unknown := list(_unknown(graph.graph)):
        raise NotImplementedError(unknown_operations("ONNX", unknown))
    (folder / FILE).write_bytes(graph.SerializeToString())


def _inlined(network: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """The network without functions inside, such as Keras' function for convolutions in groups.

    Keras asks XLA to compile them, so TensorFlow does not take them apart.
    """
    import tensorflow as tf

    def traced(*tensors: Any) -> dict[str, Any]:
        before = tf.config.functions_run_eagerly()
        tf.config.run_functions_eagerly(True)
        try:
            return network(*tensors)
        finally:
            tf.config.run_functions_eagerly(before)

    return traced


def _unknown(graph: Any) -> Iterator[tuple[str, str]]:
    """The operations that tf2onnx has left as they are in TensorFlow, and where they are."""
    import onnx

    for node in graph.node:
        if not node.domain and not onnx.defs.has(node.op_type):
            yield node.op_type, node.name.rpartition("/")[0]
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _unknown(attribute.g)


def _without_captures(function: Any) -> Callable[..., dict[str, Any]]:
    """The function with the tensors that layers keep as constants; tf2onnx loses those."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    whole = function.get_concrete_function()
    frozen = convert_variables_to_constants_v2(whole, lower_control_flow=False)

    def network(*tensors: Any) -> dict[str, Any]:
        outputs = tf.nest.pack_sequence_as(whole.structured_outputs, frozen(*tensors))
        return {name: tf.identity(output, name) for name, output in outputs.items()}

    return network


class Session:
    """An artefact, loaded by onnxruntime with a thread for each processor."""

    def __init__(self, folder: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = processors()
        providers = ["CPUExecutionProvider"]
        self.session = onnxruntime.InferenceSession(folder / FILE, options, providers)
        # An input that no output depends on is not there.
        self.inputs = [each.name for each in self.session.get_inputs()]
        self.outputs = [each.name for each in self.session.get_outputs()]

    def __call__(self, batch: Batch) -> dict[str, Any]:
        """The outputs for a batch."""
        found = self.session.run(self.outputs, {name: batch[name] for name in self.inputs})
        return dict(zip(self.outputs, found, strict=True))

    def about(self) -> dict[str, str]:
        """The converter and the number of threads."""
        return {
            "converted by": self.session.get_modelmeta().producer_name,
            "runs with": f"{processors()} threads",
        }


ONNX = Format(
    name="onnx",
    modules=("tensorflow", "tf2onnx", "onnxruntime"),
    cure="pip install 'keraskip[onnx]'",
    loading='onnxruntime.InferenceSession("FOLDER/model.onnx").run(None, {{{items}}})',
    write=write,
    load=Session,
    tolerance=1e-4,
    other_road=write_by_keras,
    about=Session.about,
)
