"""The public export functions, one for each format."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

import keras

from keraskip.export.exporting import export
from keraskip.export.formats.format import Options
from keraskip.export.formats.litert import Choices
from keraskip.export.formats.onnx import Opset
from keraskip.export.formats.savedmodel import Signatures
from keraskip.export.request import Request, request_for


def export_savedmodel(
    model: keras.Model,
    path: str | Path,
    *,
    top_k: int = 5,
    signatures: Sequence[str] = ("serve",),
    **common: Unpack[Request],
) -> Path:
    """Writes a SavedModel, for TensorFlow without Keras and for TensorFlow Serving.

    Before the call returns, the runtime loads the artefact again and its outputs are compared with
    the model's, for usual and unusual samples, alone and in batches. The artefact computes in
    float32, also if a model with a graph computes in another precision. `model_card.json` and
    `README.md` beside it tell its inputs, outputs, costs and origin.

    The folder appears whole or not at all, and an earlier artefact is replaced in one step.

    Args:
        model: any Keras model, of this package or not, with any number of inputs and outputs of any
            rank and type; of images with channels last. The keys of dicts and the names of inputs
            become the names in the artefact; `{"a": {"b": x}}` becomes `a_b`. On JAX and PyTorch
            it needs a graph, and TensorFlow, which writes the artefact in a process of its own,
            must know the layers.
        path: the folder to write.
        preprocessing: how the signatures `"uint8"` and `"encoded"` prepare images of 0 to 255. By
            default as the run says; without `run`, as `Preprocessing.of_model` says for weights
            that have a name, such as `"imagenet"`. If neither is known, images are only scaled
            and cropped to the model's size.
        class_names: the name of each class, by default, without `run`, those that came with the
            weights. With them all signatures also give `top_scores` and `top_classes`, the `top_k`
            best classes; the model's own outputs need other names.
        top_k: how many of the best classes to give.
        signatures: any of `"serve"`, which takes samples as the model does, and for models of
            images `"uint8"`, which takes uint8 images of any size, and `"encoded"`, which takes
            the bytes of JPEG or PNG files as `image_bytes`. The first one is also
            `serving_default`.
        fold_batch_norm: whether to fold batch normalisation into the convolutions, see
            `keraskip.fold_batch_norm`; the same network in fewer steps. A folded SavedModel
            also has constants as weights, which is faster. Without folding the weights are
            variables, as for further training; so are weights of more than 1 GiB together.
        samples: some real samples as the model takes them, a batch of up to eight, to compare on
            as well. Without them, sides that the model leaves open are tried, and whole numbers
            are drawn from what its embeddings know, or else from 0 and 1.
        input_shape: for a model that does not know its inputs, such as a subclassed one: the shape
            of one sample, without the batch, for float32; else `keras.KerasTensor`s with type and
            shape, nested in dicts and lists as the model takes them.
        run: the run folder of the training; the card gets its facts and its test results, and
            says nothing of the weights that the training began with.
        metrics: results for the card, instead of the run's.
        overwrite: whether to replace an earlier artefact.

    Returns:
        The path.

    Raises:
        TypeError: for a `model` that is no Keras model, and for arguments of a wrong type.
        ValueError: for a model of sparse inputs or of images with channels first, for weights that
            are NaN or infinite, and for other values of the arguments.
        ExportError: a ValueError, if the model cannot be written in this format, gives NaN or
            infinity for usual samples, or differs from the artefact.
        FileExistsError: if `path` exists and must not be replaced.
        OSError: if `path` cannot be written.
        ImportError: if the runtime is not installed.

    Warns:
        UserWarning: if the statistics of batch normalisation were never updated.

    Example:

    >>> export_savedmodel(model, "exported/resnet56")  # doctest: +SKIP
    >>> loaded = tf.saved_model.load("exported/resnet56")  # doctest: +SKIP
    >>> loaded.signatures["serving_default"](images=images)["predictions"]  # doctest: +SKIP
    """
    request = request_for(model, **common)
    options = Signatures(
        signatures=signatures,
        preprocessing=request["preprocessing"],
        class_names=request["class_names"] or (),
        top_k=top_k,
        constant_weights=request.get("fold_batch_norm", True),
    )
    return export("savedmodel", model, path, request, options)


def export_onnx(
    model: keras.Model, path: str | Path, *, opset: int = 18, **common: Unpack[Request]
) -> Path:
    """Writes `model.onnx`, with its card, into a folder; needs `pip install 'keraskip[onnx]'`.

    The network takes samples as the model does, but no strings. The card has the preprocessing
    and the names of the classes, which `keraskip predict` uses. Keras' own
    exporter tries the models that tf2onnx cannot write, by the backend that runs.

    Args:
        model: any Keras model, as for `export_savedmodel`.
        path: the folder to write.
        opset: the version of the operations, 13 to 18, which the runtime must know.
        **common: `preprocessing`, `class_names`, `fold_batch_norm`, `samples`, `input_shape`,
            `run`, `metrics` and `overwrite`, as for `export_savedmodel`. Result and errors are the
            same, too.

    Example:

    >>> export_onnx(model, "exported/resnet56_onnx")  # doctest: +SKIP
    """
    return export("onnx", model, path, request_for(model, **common), Opset(opset=opset))


def export_litert(
    model: keras.Model,
    path: str | Path,
    *,
    quantization: str | None = None,
    representative: Any = None,
    batch_size: int | None = None,
    **common: Unpack[Request],
) -> Path:
    """Writes `model.tflite`, with its card, into a folder; needs `pip install 'keraskip[litert]'`.

    Args:
        model: any Keras model, as for `export_savedmodel`.
        path: the folder to write.
        quantization: `"float16"`, for weights in half precision; `"dynamic"`, for weights of 8
            bits; `"int8"`, for 8 bits in all layers; `"int8_only"`, for inputs and outputs of 8
            bits as well, whose scales the card has; or `"int16x8"`, for weights of 8 bits between
            numbers of 16, where no input is of whole numbers. Otherwise inputs and outputs are
            float32. A quantised network is compared by its mean difference.
        representative: for the last three, about a hundred samples as the model takes them, which
            show the range of each layer's output.
        batch_size: the size of all batches that the file takes, by default any. LSTM and GRU need
            one, unless they are unrolled. `keraskip.Artefact` takes any batch in turns of it.
        **common: as for `export_onnx`.

    Example:

    >>> export_litert(
    ...     model, "exported/small", quantization="int8", representative=images
    ... )  # doctest: +SKIP
    """
    options = Choices(
        quantization=quantization, representative=representative, batch_size=batch_size
    )
    request = request_for(model, **common)
    if representative is not None:
        request.setdefault("samples", representative)
    return export("litert", model, path, request, options)


def export_openvino(model: keras.Model, path: str | Path, **common: Unpack[Request]) -> Path:
    """Writes `model.xml` and `model.bin` into a folder; needs `pip install 'keraskip[openvino]'`.

    The network takes samples as the model does, but no strings, and computes in float32.

    Args:
        model: any Keras model, as for `export_savedmodel`.
        path: the folder to write.
        **common: as for `export_onnx`.

    Example:

    >>> export_openvino(model, "exported/resnet56_openvino")  # doctest: +SKIP
    """
    return export("openvino", model, path, request_for(model, **common), Options())
