"""The other road to ONNX: Keras' own exporter, by the backend that runs."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

    from keraskip.export.network.contract import Contract

FILE = "model.onnx"


def write_by_keras(model: "keras.Model", folder: Path, contract: "Contract", options: Any) -> None:
    """Writes the model by `model.export`, with inputs and outputs named as in the contract."""
    import keras
    import onnx

    tensors = [
        keras.KerasTensor((None, *each.shape), each.dtype, name=each.name)
        for each in contract.inputs
    ]
    with warnings.catch_warnings():
        # PyTorch warns of each number of Python that it meets.
        warnings.simplefilter("ignore")
        model.export(
            str(folder / FILE), format="onnx", verbose=False, opset_version=options.opset,
            input_signature=[contract.nested(tensors)],
        )  # fmt: skip
    written = onnx.load(folder / FILE)
    _rename(written.graph, [each.name for each in contract.outputs])
    onnx.save(written, folder / FILE)


def _rename(graph: Any, names: Sequence[str]) -> None:
    """Gives the outputs other names, by a further operation each."""
    import onnx

    for output, name in zip(graph.output, names, strict=True):
        if output.name != name:
            graph.node.append(onnx.helper.make_node("Identity", [output.name], [name]))
            output.name = name
