"""SavedModel, the format that TensorFlow and TensorFlow Serving load without Keras."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keraskip.checks import check_choices, check_integer
from keraskip.export.formats.format import Format, Options, Predict
from keraskip.export.network.preprocessing import Preprocessing

if TYPE_CHECKING:
    import keras

    from keraskip.export.network.contract import Contract

SIGNATURES = ("serve", "uint8", "encoded")
RAW = SIGNATURES[1:]
# The numbers of channels that a decoded file can have.
ENCODED_CHANNELS = (1, 3)
# The signature that TensorFlow Serving and others use unless told another.
DEFAULT = "serving_default"
# The outputs that the names of classes add.
TOP_SCORES, TOP_CLASSES = "top_scores", "top_classes"
RAW_IMAGES = "images"
BYTES = "image_bytes"
# Bytes of weights. Constants are part of a protocol buffer, which cannot exceed 2 GiB.
MOST_CONSTANTS = 2**30


@dataclass(frozen=True)
class Signatures(Options):
    """The choices for a SavedModel; `keraskip.export_savedmodel` explains them.

    Constant weights make it faster, but cannot be trained any further. `batch` is the size of all
    batches, None for any, for formats that are converted from a SavedModel.
    """

    signatures: Sequence[str] = SIGNATURES[:1]
    preprocessing: Preprocessing | None = None
    class_names: Sequence[str] = ()
    top_k: int = 5
    constant_weights: bool = False
    batch: int | None = None

    def __post_init__(self) -> None:
        check_integer("top_k", self.top_k, minimum=1)
        check_choices("signatures", self.signatures, SIGNATURES, empty=False)
        # Without "serve" there would be nothing to compare.
        object.__setattr__(self, "signatures", tuple(dict.fromkeys([*self.signatures, "serve"])))

    def checked(self, contract: "Contract") -> Options:
        """ValueError unless these signatures fit the model's inputs, and the outputs they add."""
        taken = {TOP_SCORES, TOP_CLASSES} & {each.name for each in contract.outputs}
        if self.class_names and taken:
            raise ValueError(
                f"With class_names a SavedModel has outputs {TOP_SCORES} and {TOP_CLASSES} of its "
                f"own, so the model's need other names. Received: output {taken.pop()}"
            )
        image = contract.image
        if {*RAW} & {*self.signatures} and image is None:
            raise ValueError(
                f"The signatures {RAW} are for models whose only input is an image. "
                f"Received: inputs {'; '.join(map(str, contract.inputs))}"
            )
        fits = image and None not in image and image[-1] in ENCODED_CHANNELS
        if "encoded" in self.signatures and not fits:
            raise ValueError(
                "The signature 'encoded' needs a model of images of one size, with "
                f"{ENCODED_CHANNELS} channels. Received: input_shape={image}"
            )
        return self


def write(model: "keras.Model", folder: Path, contract: "Contract", options: Signatures) -> None:
    """Writes a SavedModel with these signatures; the first one is also the default."""
    import tensorflow as tf

    constant = options.constant_weights and _bytes(model) < MOST_CONSTANTS
    specs = specs_of(contract, options.batch)
    network = (
        _with_constants(model, contract, specs) if constant else partial(model, training=False)
    )
    scores = scoring(network, contract, options.class_names, options.top_k)
    make = {"serve": _serve, "uint8": _uint8, "encoded": _encoded}
    steps = options.preprocessing or Preprocessing()
    functions = {name: make[name](scores, contract, steps, specs) for name in options.signatures}
    module = tf.Module()
    # TensorFlow saves the variables and functions that it reaches from the module.
    module.weights = [] if constant else [variable.value for variable in model.variables]
    module.functions = functions
    module.tables = [getattr(layer, "lookup_table", None) for layer in model._flatten_layers()]
    endpoints = {DEFAULT: functions[options.signatures[0]], **functions}
    tf.saved_model.save(module, str(folder), signatures=endpoints)


def _bytes(model: "keras.Model") -> int:
    return sum(variable.numpy().nbytes for variable in model.variables)


def _with_constants(
    model: "keras.Model", contract: "Contract", specs: Sequence[Any]
) -> Callable[[Any], Any]:
    """The model as a function whose weights are constants.

    Convolutions prepare a constant kernel once, but a variable in each call. All signatures share
    the function, so the constants are stored once.
    """
    import keras
    import tensorflow as tf

    values = [variable.numpy() for variable in model.variables]

    def network(inputs: Any) -> Any:
        constants = zip(model.variables, map(tf.constant, values), strict=True)
        with keras.StatelessScope(list(constants)):
            return model(inputs, training=False)

    # Traced once for all signatures.
    traced = tf.function(lambda *tensors: network(contract.nested(tensors)), specs, autograph=False)
    return lambda inputs: traced(*keras.tree.flatten(inputs))


def specs_of(contract: "Contract", batch: int | None = None) -> list[Any]:
    """The inputs as TensorFlow describes them, with batches of any size or of one."""
    import tensorflow as tf

    return [tf.TensorSpec((batch, *each.shape), each.dtype, each.name) for each in contract.inputs]


def scoring(
    network: Callable[[Any], Any],
    contract: "Contract",
    class_names: Sequence[str] = (),
    top_k: int = 5,
) -> Callable[[Any], dict[str, Any]]:
    """The network as a function that names its outputs for TensorFlow and adds the best classes."""
    import keras
    import tensorflow as tf

    def scores(*tensors: Any) -> dict[str, Any]:
        outputs = keras.tree.flatten(network(contract.nested(tensors)))
        named = {
            each.name: tf.identity(output, each.name)
            for each, output in zip(contract.outputs, outputs, strict=True)
        }
        if class_names:
            best = tf.math.top_k(outputs[0], min(top_k, len(class_names)))
            named[TOP_SCORES] = best.values
            named[TOP_CLASSES] = tf.gather(tf.constant(list(class_names)), best.indices)
        return named

    return scores


def load(folder: Path) -> Predict:
    """Loads the artefact, by TensorFlow alone."""
    import tensorflow as tf

    return partial(_run, tf.saved_model.load(str(folder)), "serve")


def from_raw(folder: Path, images: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """The outputs for uint8 images, by signature, of the signatures for raw images."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder))
    inputs: dict[str, dict[str, Any]] = {
        "uint8": {RAW_IMAGES: images},
        "encoded": {BYTES: [_png(image) for image in images]},
    }
    names = [name for name in inputs if name in loaded.signatures]
    return {name: _run(loaded, name, inputs[name]) for name in names}


def _run(loaded: Any, signature: str, batch: Mapping[str, Any]) -> dict[str, np.ndarray]:
    import tensorflow as tf

    tensors = {name: tf.constant(values) for name, values in batch.items()}
    return {name: value.numpy() for name, value in loaded.signatures[signature](**tensors).items()}


def _png(image: np.ndarray) -> bytes:
    from PIL import Image

    file = BytesIO()
    Image.fromarray(image.squeeze()).save(file, "png")
    return file.getvalue()


def _serve(scores: Callable, contract: "Contract", steps: Preprocessing, specs: Any) -> Any:
    import tensorflow as tf

    return tf.function(scores, specs, autograph=False)


def _uint8(scores: Callable, contract: "Contract", steps: Preprocessing, specs: Any) -> Any:
    import tensorflow as tf

    (images,) = contract.inputs

    def serve(raw: Any) -> dict[str, Any]:
        return scores(tf.cast(steps.in_graph(raw, contract.size), images.dtype))

    channels = images.shape[-1]
    return tf.function(
        serve,
        [tf.TensorSpec((None, None, None, channels), tf.uint8, RAW_IMAGES)],
        autograph=False,
    )


def _encoded(scores: Callable, contract: "Contract", steps: Preprocessing, specs: Any) -> Any:
    import tensorflow as tf

    (images,) = contract.inputs
    channels = images.shape[-1]

    def decoded(contents: Any) -> Any:
        image = tf.io.decode_image(contents, channels, expand_animations=False)
        image.set_shape((None, None, channels))
        return steps.in_graph(image[None], contract.size)[0]

    def serve(image_bytes: Any) -> dict[str, Any]:
        spec = tf.TensorSpec(images.shape, tf.float32)
        prepared = tf.map_fn(decoded, image_bytes, fn_output_signature=spec)
        return scores(tf.cast(prepared, images.dtype))

    return tf.function(serve, [tf.TensorSpec((None,), tf.string, BYTES)], autograph=False)


SAVEDMODEL = Format(
    name="savedmodel",
    modules=("tensorflow",),
    cure="pip install tensorflow",
    loading='tensorflow.saved_model.load("FOLDER").signatures["serve"]({keywords})',
    write=write,
    load=load,
    tolerance=1e-5,
)
