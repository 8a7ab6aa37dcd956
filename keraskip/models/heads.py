"""The classes that weights are for, and the refusal of weights for other classes."""

import os
import re

from keraskip.models.frame import Frame
from keraskip.models.keras_files import CLASSIFIER
from keraskip.models.safetensors import read_safetensors
from keraskip.models.stored_layers import stored_layers

# The kernels of torchvision's classifiers, whose first axis is the classes, and its first kernels.
TORCH_CLASSIFIERS = ("fc.weight", "classifier.weight")
TORCH_STEMS = ("conv1.weight", "features.conv0.weight")


def check_classes(weights: str, count: int | None, frame: Frame) -> None:
    """ValueError if the network has a classifier that the weights do not fit.

    Args:
        weights: the argument of the builder.
        count: number of classes of the weights, 0 without a classifier, None if it is not known.
        frame: knows the classes of the network.
    """
    wanted = frame.class_count
    if not frame.include_top or count in (None, wanted):
        return
    theirs = f"have {count} classes" if count else "have no classifier"
    raise ValueError(
        f"weights={weights!r} {theirs}, this network has {wanted} classes: include_top=False, "
        "pooling='avg' takes all but the classifier, for a new one behind it. Received: "
        f"classes={wanted}" + (f" (nearest: {count})" if count else "")
    )


def classes_in(file: str | os.PathLike) -> int | None:
    """The number of classes in a file of weights, 0 without a classifier, None if not known.

    Raises:
        ValueError: for a broken file.
    """
    if os.fspath(file).endswith(".safetensors"):
        return _classes_in_tensors(file)
    layers = stored_layers(file)
    if layers is None:
        return None
    dense = [x.shapes for key, x in layers.items() if re.fullmatch(rf"{CLASSIFIER}(_\d+)?", key)]
    # Of several dense layers none is known to be the classifier.
    return None if len(dense) > 1 else dense[0][0][-1] if dense else 0


def _classes_in_tensors(file: str | os.PathLike) -> int | None:
    """The same for a file of PyTorch; only its header is read."""
    tensors = read_safetensors(file)
    kernels = [tensors[name] for name in TORCH_CLASSIFIERS if name in tensors]
    if not kernels:
        # Other names are refused later, with ours beside them.
        return 0 if any(name in tensors for name in TORCH_STEMS) else None
    return len(kernels[0]) if kernels[0].ndim else None
