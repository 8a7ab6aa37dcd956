"""Weights from a file, or the ImageNet weights of keras.applications."""

import os
from pathlib import Path
from typing import TypeAlias

import keras

from keraskip.models.frame import Frame
from keraskip.models.heads import check_classes, classes_in

Weights: TypeAlias = "str | os.PathLike | None"

SUFFIXES = (".keras", ".weights.h5")
IMAGENET_CLASSES = 1000
# Networks of keras.applications that the builders make with conventions="keras".
APPLICATIONS = (
    "ResNet50", "ResNet101", "ResNet152", "ResNet50V2", "ResNet101V2", "ResNet152V2",
    "DenseNet121", "DenseNet169", "DenseNet201",
)  # fmt: skip


def check(weights: Weights, frame: Frame, application: str | None) -> None:
    """Refuse weights that the network cannot take, before it is built."""
    if not isinstance(weights, str | os.PathLike):
        raise TypeError(
            "weights must be None, 'imagenet' or the path of a file. "
            f"Received: weights of type {type(weights).__name__}"
        )
    if weights == "imagenet":
        _check_imagenet(frame, application)
    elif not (os.fspath(weights).endswith(SUFFIXES) and Path(weights).is_file()):
        raise ValueError(
            f"weights must be None, 'imagenet' or a file that exists and ends in {SUFFIXES}. "
            f"Received: weights={os.fspath(weights)!r}"
        )
    else:
        check_classes(os.fspath(weights), classes_in(weights), frame)


def load(model: keras.Model, weights: Weights, frame: Frame, application: str | None) -> None:
    """Gives the model the weights of the file or of keras.applications."""
    if weights == "imagenet" and application:
        build = getattr(keras.applications, application)
        # The two models list their weights in the same order; only the names differ.
        model.set_weights(build(weights="imagenet", include_top=frame.include_top).get_weights())
    else:
        model.load_weights(weights)


def _check_imagenet(frame: Frame, application: str | None) -> None:
    if application not in APPLICATIONS:
        raise ValueError(
            f"weights='imagenet' exist for {', '.join(APPLICATIONS)} as keras.applications has "
            "them: stem='imagenet', conventions='keras' and nothing else changed, or "
            "build('resnet50', weights='imagenet'). Received: weights='imagenet' for "
            f"{application or 'another network'}"
        )
    check_classes("imagenet", IMAGENET_CLASSES, frame)
    channels = frame.image_channels
    if channels != 3:
        raise ValueError(f"weights='imagenet' need 3 channels. Received: {channels} (nearest: 3)")
