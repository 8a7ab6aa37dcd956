"""Weights from a file, or those that keras.applications offers."""

import os
import re
from pathlib import Path
from typing import TypeAlias

import keras

from keraskip.models.frame import Frame

Weights: TypeAlias = "str | os.PathLike | None"

SUFFIXES = (".keras", ".weights.h5")
IMAGENET_CLASSES = 1000
# Networks of keras.applications that the builders make with conventions="keras".
APPLICATIONS = (
    "ResNet50", "ResNet101", "ResNet152", "ResNet50V2", "ResNet101V2", "ResNet152V2",
    "DenseNet121", "DenseNet169", "DenseNet201",
)  # fmt: skip

# Our layer names, and those of keras.applications. Its stages count from 2, the stem being 1.
_COMMON = {
    r"stem_conv": "conv1_conv",
    r"stem_norm": "conv1_bn",
}
_V1 = {
    r"stage(\d)_block(\d+)_conv(\d)": "conv{0}_block{1}_{2}_conv",
    r"stage(\d)_block(\d+)_norm(\d)": "conv{0}_block{1}_{2}_bn",
    r"stage(\d)_block(\d+)_shortcut_conv": "conv{0}_block{1}_0_conv",
    r"stage(\d)_block(\d+)_shortcut_norm": "conv{0}_block{1}_0_bn",
}
_V2 = {
    r"stage(\d)_block(\d+)_norm1": "conv{0}_block{1}_preact_bn",
    r"stage(\d)_block(\d+)_norm2": "conv{0}_block{1}_1_bn",
    r"stage(\d)_block(\d+)_norm3": "conv{0}_block{1}_2_bn",
    r"head_norm": "post_bn",
}
_DENSE = {
    r"block(\d)_layer(\d+)_norm1": "conv{0}_block{1}_0_bn",
    r"block(\d)_layer(\d+)_norm2": "conv{0}_block{1}_1_bn",
    r"block(\d)_layer(\d+)_conv(\d)": "conv{0}_block{1}_{2}_conv",
    r"transition(\d)_norm": "pool{0}_bn",
    r"transition(\d)_conv": "pool{0}_conv",
    r"head_norm": "bn",
}


def check(weights: Weights, frame: Frame, application: str | None) -> None:
    """Refuse weights that the network cannot take, before it is built."""
    if weights is None:
        return
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


def load(model: keras.Model, weights: Weights, application: str | None) -> keras.Model:
    """`model`, its weights replaced by those asked for."""
    if weights == "imagenet" and application:
        include_top = model.layers[-1].name == "predictions"
        build = getattr(keras.applications, application)
        copy_weights(build(weights="imagenet", include_top=include_top), model)
    elif weights is not None:
        model.load_weights(weights)
    return model


def copy_weights(source: keras.Model, model: keras.Model) -> None:
    """Give `model` the weights of its twin in keras.applications, layer by layer."""
    for layer in model.layers:
        if layer.weights:
            layer.set_weights(source.get_layer(_name(layer.name, source.name)).get_weights())


def _name(name: str, application: str) -> str:
    """What keras.applications calls our layer of this name."""
    family = _DENSE if application.startswith("densenet") else _V1
    names = _V2 | _V1 if application.endswith("v2") else family
    for ours, theirs in (_COMMON | names).items():
        found = re.fullmatch(ours, name)
        if found:
            stage, *rest = map(int, found.groups() or (0,))
            return theirs.format(stage + 1, *rest)
    return name


def _check_imagenet(frame: Frame, application: str | None) -> None:
    if application not in APPLICATIONS:
        raise ValueError(
            f"weights='imagenet' exist for {', '.join(APPLICATIONS)} as keras.applications has "
            "them: stem='imagenet', conventions='keras' and nothing else changed, or "
            "build('resnet50', weights='imagenet'). Received: weights='imagenet' for "
            f"{application or 'another network'}"
        )
    if frame.include_top and frame.classes not in (None, IMAGENET_CLASSES):
        raise ValueError(
            "The classifier of weights='imagenet' has 1000 classes; others need "
            f"include_top=False. Received: classes={frame.classes} (nearest: {IMAGENET_CLASSES})"
        )
    images = frame.image_channels
    if images != 3:
        raise ValueError(f"weights='imagenet' need 3 channels. Received: {images} (nearest: 3)")
