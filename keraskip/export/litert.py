"""LiteRT, formerly TensorFlow Lite: the format for phones and small devices."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from keraskip.export import savedmodel
from keraskip.export.savedmodel import DEFAULT

if TYPE_CHECKING:
    import keras

    from keraskip.export.contract import Contract

FILE = "model.tflite"
QUANTIZATIONS = (None, "dynamic", "int8")


def write(
    model: "keras.Model",
    folder: Path,
    contract: "Contract",
    quantization: str | None = None,
    representative: np.ndarray | None = None,
) -> None:
    """Writes the model in the format of LiteRT.

    With `"dynamic"` the weights have 8 bits, with `"int8"` the activations too, in the range that
    the representative images show. Inputs and outputs are float32 in any case.
    """
    import tensorflow as tf

    with TemporaryDirectory() as saved:
        savedmodel.write(model, Path(saved), contract)
        converter = tf.lite.TFLiteConverter.from_saved_model(saved, signature_keys=[DEFAULT])
        _quantize(converter, quantization, representative)
        (folder / FILE).write_bytes(converter.convert())


def _quantize(converter: Any, quantization: str | None, representative: Any) -> None:
    import tensorflow as tf

    if quantization:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantization == "int8":

        def one_by_one() -> Iterator[list]:
            for image in representative:
                yield [image[None]]

        converter.representative_dataset = one_by_one
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]


def load(folder: Path) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Loads the artefact as a function of images, by the interpreter of LiteRT."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(folder / FILE))
    run = interpreter.get_signature_runner()
    (name,) = interpreter.get_signature_list()[DEFAULT]["inputs"]

    def predict(images: np.ndarray) -> dict[str, np.ndarray]:
        outputs: dict[str, Any] = run(**{name: images})
        return outputs

    return predict
