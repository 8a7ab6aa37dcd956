"""One function for each format."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

import keras

from keraskip.checks import check_choice, check_integer
from keraskip.export.exporting import Request, export
from keraskip.export.litert import QUANTIZATIONS
from keraskip.export.preprocessing import Preprocessing
from keraskip.export.savedmodel import SIGNATURES


class Common(TypedDict, total=False):
    """The arguments that all formats share, see `export_savedmodel`."""

    preprocessing: Preprocessing | None
    class_names: Sequence[str] | None
    fold_batch_norm: bool
    samples: Any
    input_shape: tuple[int | None, int | None, int] | None
    run: str | Path | None
    metrics: Mapping[str, float] | None
    overwrite: bool


def export_savedmodel(
    model: keras.Model,
    path: str | Path,
    *,
    preprocessing: Preprocessing | None = None,
    class_names: Sequence[str] | None = None,
    top_k: int = 5,
    signatures: Sequence[str] = ("serve",),
    fold_batch_norm: bool = True,
    samples: Any = None,
    input_shape: tuple[int | None, int | None, int] | None = None,
    run: str | Path | None = None,
    metrics: Mapping[str, float] | None = None,
    overwrite: bool = False,
) -> Path:
    """Writes a SavedModel, for TensorFlow without Keras and for TensorFlow Serving.

    The artefact is loaded again by its own runtime before the call returns and compared with the
    model, on images that are to be expected and on ones that are not, one at a time and several.
    It computes in float32, also where a model with a graph does so in half precision. Beside it
    stand `model_card.json` and `README.md`, which say what it takes, gives, costs and comes from.

    The folder appears whole or not at all, and one that is there is replaced in one step.

    Args:
        model: any Keras model of images with channels last, of this package or not. On JAX and
            PyTorch it needs a graph, and TensorFlow, which must know the layers, in a process of
            its own.
        path: the folder to write.
        preprocessing: what is done with an image of 0 to 255 in the signatures `"uint8"` and
            `"encoded"`, by default nothing but to bring it to the model's size.
        class_names: for each class its name. With them all signatures also give `top_scores` and
            `top_classes`, of the `top_k` best classes.
        top_k: how many classes these are.
        signatures: any of `"serve"`, which takes float32 images as the model does; `"uint8"`,
            which takes uint8 images of any size; `"encoded"`, which takes the bytes of JPEG or
            PNG files as `image_bytes`. The first one is also `serving_default`.
        fold_batch_norm: whether to take batch normalisation into the convolutions, see
            `keraskip.export.fold_batch_norm`; the same network in fewer steps. In a SavedModel
            its weights are constants then, which is faster, too: without folding they are
            variables, as for further training, and so are those of more than 1 GiB.
        samples: some real images as the model takes them, `[images, height, width, channels]`, to
            compare on as well.
        input_shape: of an image, for a model that does not know it, as subclassed ones.
        run: the run folder of the training, whose facts and test results are put on the card.
        metrics: results to put there instead.
        overwrite: whether to replace an artefact that is there.

    Returns:
        The path.

    Raises:
        TypeError: for something that is no model.
        ValueError: for a model of other inputs than images with a fixed number of channels, for
            weights that are NaN or infinite, and for other values of the arguments.
        ExportError: a ValueError, if the model cannot be written in this format, gives NaN or
            infinity for usual images, or the artefact gives something else than it.
        FileExistsError: if `path` is taken.
        OSError: if it cannot be written.
        ImportError: where the runtime is not installed.

    Warns:
        UserWarning: if the statistics of batch normalisation were never updated.

    Example:

    >>> export_savedmodel(model, "exported/resnet56")  # doctest: +SKIP
    >>> loaded = tf.saved_model.load("exported/resnet56")  # doctest: +SKIP
    >>> loaded.signatures["serving_default"](images=images)["predictions"]  # doctest: +SKIP
    """
    check_integer("top_k", top_k, minimum=1)
    if not signatures or isinstance(signatures, str):
        raise ValueError(
            f"signatures must be a list of any of {SIGNATURES}. Received: {signatures!r}"
        )
    for signature in signatures:
        check_choice("Each of signatures", signature, SIGNATURES)
    request = Request(
        preprocessing, class_names, fold_batch_norm, samples, input_shape, run, metrics, overwrite
    )
    # Without "serve" there would be nothing to compare.
    names = [*dict.fromkeys([*signatures, "serve"])]
    options = {
        "preprocessing": preprocessing,
        "class_names": request.class_names,
        "top_k": top_k,
        "constant_weights": fold_batch_norm,
    }
    return export("savedmodel", model, path, request, signatures=names, **options)


def export_onnx(model: keras.Model, path: str | Path, **common: Unpack[Common]) -> Path:
    """Writes `model.onnx`, with its card, into a folder; needs `pip install 'keraskip[onnx]'`.

    The network takes float32 images as the model does. Preprocessing and names of classes are put
    on the card, and `keraskip predict` goes by them.

    Args:
        model: any Keras model of images with channels last.
        path: the folder to write.
        **common: `preprocessing`, `class_names`, `fold_batch_norm`, `samples`, `input_shape`,
            `run`, `metrics` and `overwrite`, as for `export_savedmodel`, and so for what is
            returned and raised.

    Example:

    >>> export_onnx(model, "exported/resnet56_onnx")  # doctest: +SKIP
    """
    return export("onnx", model, path, Request(**common))


def export_litert(
    model: keras.Model,
    path: str | Path,
    *,
    quantization: str | None = None,
    representative: Any = None,
    **common: Unpack[Common],
) -> Path:
    """Writes `model.tflite`, with its card, into a folder; needs `pip install 'keraskip[litert]'`.

    Args:
        model: any Keras model of images with channels last.
        path: the folder to write.
        quantization: `"dynamic"`, for weights of 8 bits, or `"int8"`, for 8 bits all the way; what
            goes in and comes out is float32 in any case. A quantised network is compared in the
            mean.
        representative: for `"int8"`, about a hundred images as the model takes them, which show
            the range of what each layer gives.
        **common: as for `export_onnx`.

    Example:

    >>> export_litert(
    ...     model, "exported/small", quantization="int8", representative=images
    ... )  # doctest: +SKIP
    """
    check_choice("quantization", quantization, QUANTIZATIONS)
    if (quantization == "int8") != (representative is not None):
        raise ValueError(
            "representative images are for quantization='int8', which needs them. "
            f"Received: quantization={quantization!r}, "
            f"representative={'None' if representative is None else 'images'}"
        )
    request = Request(**common)
    if request.samples is None and representative is not None:
        request = replace(request, samples=representative)
    options = {"quantization": quantization, "representative": representative}
    return export("litert", model, path, request, **options)
