"""Weights from a file, or the ImageNet weights of keras.applications or torchvision."""

import os
from pathlib import Path
from typing import TypeAlias

import keras

from keraskip.models.densenet_layout import DenseLayout
from keraskip.models.frame import Frame
from keraskip.models.heads import check_classes, classes_in
from keraskip.models.hub import PINS, commit_of, fetch, repository
from keraskip.models.keras_files import fill_from_keras
from keraskip.models.origin import Origin, imagenet_classes, note_origin, of_mode
from keraskip.models.residual_layout import ResidualLayout
from keraskip.models.safetensors import read_safetensors
from keraskip.models.shipped import DATASETS
from keraskip.models.torch_names import dense_name, fill, residual_name

Weights: TypeAlias = "str | os.PathLike | None"
Layout: TypeAlias = ResidualLayout | DenseLayout

TENSORS = ".safetensors"
SUFFIXES = (".keras", ".weights.h5", TENSORS)
IMAGENET_CLASSES = 1000
# Networks of keras.applications that the builders make with conventions="keras".
APPLICATIONS = (
    "ResNet50", "ResNet101", "ResNet152", "ResNet50V2", "ResNet101V2", "ResNet152V2",
    "DenseNet121", "DenseNet169", "DenseNet201",
)  # fmt: skip
# How torchvision prepares images: the shorter side is scaled to 256 pixels, and 224 in the middle
# are kept (`torchvision.transforms._presets.ImageClassification`).
TORCHVISION_IMAGES = of_mode("torch") | {"crop": 224 / 256, "interpolation": "bilinear"}


def find(weights: Weights, frame: Frame, layout: Layout) -> Path | None:
    """The file of the weights, None for those that Keras fetches itself.

    Refuses weights that the network cannot take, or that do not exist, before it is built.
    """
    if not isinstance(weights, str | os.PathLike):
        raise TypeError(
            "weights must be None, 'imagenet' or the path of a file. "
            f"Received: weights of type {type(weights).__name__}"
        )
    if weights in DATASETS:
        raise ValueError(
            f"weights={weights!r} are for networks with a name, as by keraskip.build('resnet20', "
            f"weights={weights!r}). Received: weights={weights!r} for a builder"
        )
    if weights == "imagenet":
        _check_imagenet(frame, layout)
        return None if layout.application else fetch(layout.torchvision or "")
    file = os.fspath(weights)
    if not (file.endswith(SUFFIXES) and Path(weights).is_file()):
        raise ValueError(
            f"weights must be None, 'imagenet' or a file that exists and ends in {SUFFIXES}; "
            "safetensors.torch.save_file writes a state dict of PyTorch. "
            f"Received: weights={file!r}"
        )
    if file.endswith(TENSORS):
        _check_torch(file, layout)
    check_classes(file, classes_in(weights), frame)
    return Path(weights)


def load(
    model: keras.Model, weights: Weights, file: Path | None, frame: Frame, layout: Layout
) -> None:
    """Gives the model the weights of the file that `find` has found, or of keras.applications."""
    if file is None:
        build = getattr(keras.applications, layout.application or "")
        # The two models list their weights in the same order; only the names differ.
        model.set_weights(build(weights="imagenet", include_top=frame.include_top).get_weights())
    elif file.suffix == TENSORS:
        name_of = residual_name if isinstance(layout, ResidualLayout) else dense_name
        fill(model, read_safetensors(file), name_of, file)
    else:
        fill_from_keras(model, file, frame)
    if weights == "imagenet" and frame.input_tensor is None:
        note_origin(model, _imagenet_origin(frame, layout, file))


def _imagenet_origin(frame: Frame, layout: Layout, file: Path | None) -> Origin:
    """Source, preprocessing and classes of the ImageNet weights of this network."""
    names = imagenet_classes() if frame.include_top else None
    if file is None:
        application = layout.application or ""
        is_dense, is_v2 = isinstance(layout, DenseLayout), application.endswith("V2")
        mode = "torch" if is_dense else "tf" if is_v2 else "caffe"
        return Origin(f"keras.applications.{application}", of_mode(mode), names)
    network = layout.torchvision or ""
    pin = PINS[network]
    revision = pin.revision if pin else f"{commit_of(file)}, not pinned by keraskip"
    where = f"{repository(network)}, revision {revision}"
    return Origin(f"torchvision, IMAGENET1K_V1, from {where}", TORCHVISION_IMAGES, names)


def _check_torch(file: str, layout: Layout) -> None:
    """ValueError for a network whose layers compute something else than torchvision's."""
    conventions = layout.style.conventions
    has_bottlenecks = isinstance(layout, ResidualLayout) and layout.block == "bottleneck"
    variant = getattr(layout, "variant", None)
    # With another stride names and shapes would fit, and the network compute something else.
    if has_bottlenecks and layout.stem == "imagenet" and variant != "v1.5":
        raise ValueError(
            "Tensors of PyTorch are for bottlenecks with the stride of torchvision, in the 3x3 "
            "convolution: variant='v1.5' and conventions='paper', as build('resnet50v1.5') has "
            f"them. Received: weights={file!r}, variant={variant!r}, "
            f"conventions={conventions!r} (nearest: variant='v1.5', conventions='paper')"
        )
    if conventions != "paper":
        raise ValueError(
            "Tensors of PyTorch are for conventions='paper', which has the constants and biases "
            f"of torchvision. Received: weights={file!r}, "
            f"conventions={conventions!r} (nearest: 'paper')"
        )


def _check_imagenet(frame: Frame, layout: Layout) -> None:
    name = layout.application or layout.torchvision
    if name not in (*APPLICATIONS, *PINS):
        raise ValueError(
            f"weights='imagenet' exist for {', '.join(APPLICATIONS)} as keras.applications has "
            "them, stem='imagenet', conventions='keras' and nothing else changed, or "
            "build('resnet50', weights='imagenet'); and for the torchvision networks "
            f"{', '.join(PINS)} with conventions='paper', from ResNet-50 on variant='v1.5', such "
            "as build('resnet50v1.5', weights='imagenet'). Received: weights='imagenet' for "
            f"{name or 'another network'}"
        )
    check_classes("imagenet", IMAGENET_CLASSES, frame)
    channels = frame.image_channels
    if channels != 3:
        raise ValueError(f"weights='imagenet' need 3 channels. Received: {channels} (nearest: 3)")
