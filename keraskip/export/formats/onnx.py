"""ONNX, the format that onnxruntime and many other runtimes load."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from keraskip.export.formats.format import Format, Options, Predict
from keraskip.export.formats.savedmodel import scoring

if TYPE_CHECKING:
    import keras

    from keraskip.export.network.contract import Contract

FILE = "model.onnx"
OPSET = 18


def write(model: "keras.Model", folder: Path, contract: "Contract", options: Options) -> None:
    """Writes the model in the ONNX format, by tf2onnx."""
    import tensorflow as tf
    import tf2onnx

    function = tf.function(scoring(partial(model, training=False), contract), autograph=False)
    spec = tf.TensorSpec((None, *contract.shape), tf.float32, contract.input_name)
    tf2onnx.convert.from_function(function, [spec], opset=OPSET, output_path=str(folder / FILE))


def load(folder: Path) -> Predict:
    """Loads the artefact as a function of images, by onnxruntime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(folder / FILE, providers=["CPUExecutionProvider"])
    (images,) = session.get_inputs()
    names = [output.name for output in session.get_outputs()]
    return lambda batch: dict(zip(names, session.run(names, {images.name: batch}), strict=True))


ONNX = Format(
    name="onnx",
    modules=("tensorflow", "tf2onnx", "onnxruntime"),
    cure="pip install 'keraskip[onnx]'",
    loading='onnxruntime.InferenceSession("FOLDER/model.onnx").run(None, {{"{input}": images}})',
    write=write,
    load=load,
    tolerance=1e-4,
)
