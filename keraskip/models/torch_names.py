"""The rule from our names of weights to torchvision's, and weights filled by it.

torchvision's names follow the layout of its networks, and timm has kept them: `layer2.0.conv1` is
the first convolution of the first block of the second stage, which is `stage2_block1_conv1` here.
"""

import os
import re
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from keraskip.models.safetensors import brief

VARIABLES = {
    "kernel": "weight", "gamma": "weight", "bias": "bias", "beta": "bias",
    "moving_mean": "running_mean", "moving_variance": "running_var",
}  # fmt: skip
# How often a statistic was updated: torchvision counts the batches, and nothing is computed of it.
COUNTER = "num_batches_tracked"
HEADS = ("fc.", "classifier.")
# So that a message stays short.
MOST_NAMES = 3
LONGEST_NAME = 100


def residual_name(layer: str) -> str | None:
    """The name of a layer of a ResNet in torchvision, None if it has no such layer."""
    if match := re.search(r"stage(\d+)_block(\d+)_(shortcut_)?(conv|norm)(\d*)$", layer):
        stage, block, shortcut, kind, number = match.groups()
        # torchvision counts blocks from 0.
        part = f"{'conv' if kind == 'conv' else 'bn'}{number}"
        if shortcut:
            part = "downsample.0" if kind == "conv" else "downsample.1"
        return f"layer{stage}.{int(block) - 1}.{part}"
    return _ending(layer, {"stem_conv": "conv1", "stem_norm": "bn1", "predictions": "fc"})


def dense_name(layer: str) -> str | None:
    """The name of a layer of a DenseNet in torchvision, None if it has no such layer."""
    if match := re.search(r"block(\d+)_layer(\d+)_((?:conv|norm)\d)$", layer):
        return "features.denseblock{}.denselayer{}.{}".format(*match.groups())
    if match := re.search(r"(transition\d+)_(conv|norm)$", layer):
        return "features.{}.{}".format(*match.groups())
    return _ending(
        layer,
        {
            "stem_conv": "features.conv0",
            "stem_norm": "features.norm0",
            "head_norm": "features.norm5",
            "predictions": "classifier",
        },
    )


def torch_name(path: str, name_of: Callable[[str], str | None]) -> str | None:
    """The name of a weight in torchvision, from its path such as `stem_conv/kernel`."""
    # A memory-efficient layer holds layers of its own: `block1_layer1_recomputed/composite2/conv`
    # is `block1_layer1_conv2`. With dropout each is apart: `_recomputed2/composite1`.
    if match := re.fullmatch(r"(.+)_recomputed(\d*)/composite(\d)/(\w+)/(\w+)", path):
        start, apart, number, kind, variable = match.groups()
        number = "" if re.search(r"transition\d+$", start) else apart or number
        path = f"{start}_{kind}{number}/{variable}"
    layer, _, variable = path.rpartition("/")
    name = name_of(layer)
    return f"{name}.{VARIABLES[variable]}" if name and variable in VARIABLES else None


def fill(
    model: keras.Model,
    tensors: Mapping[str, np.ndarray],
    name_of: Callable[[str], str | None],
    source: str | os.PathLike,
) -> None:
    """Gives each weight of the model its tensor.

    Args:
        model: a network of this package.
        tensors: the tensors by torchvision's names. A model without a classifier leaves the
            classifier's tensors out.
        name_of: `residual_name` or `dense_name`.
        source: the file, for messages.

    Raises:
        ValueError: unless each tensor has one weight, each weight one tensor, and their shapes
            fit. The model is as before then.
    """
    wanted = {weight.path: torch_name(weight.path, name_of) for weight in model.weights}
    given = _by_present_names(tensors, source)
    if not any(str(name).startswith(HEADS) for name in wanted.values()):
        given = {name: value for name, value in given.items() if not name.startswith(HEADS)}
    _check_names(wanted, given, source)
    values = {
        path: _keras_layout(given[name], path) for path, name in wanted.items() if name is not None
    }
    for weight in model.weights:
        _check_shape(weight, values[weight.path], f"{wanted[weight.path]} of {os.fspath(source)}")
    for weight in model.weights:
        weight.assign(np.asarray(values[weight.path], "float32"))


def _by_present_names(
    tensors: Mapping[str, np.ndarray], source: str | os.PathLike
) -> dict[str, np.ndarray]:
    """The tensors by the names that torchvision has today, without counters.

    Its DenseNet files still have older names, `norm.1` for `norm1`.
    """
    given: dict[str, np.ndarray] = {}
    for name, tensor in tensors.items():
        present = re.sub(r"\b(norm|conv)\.(\d)\.", r"\1\2.", name)
        if present in given:
            raise ValueError(
                f"Each tensor must be there once. Received: {brief(present)} twice in "
                f"{os.fspath(source)}, once as {brief(name)}"
            )
        if not present.endswith(COUNTER):
            given[present] = tensor
    return given


def _check_names(
    wanted: Mapping[str, str | None], given: Mapping[str, Any], source: str | os.PathLike
) -> None:
    """ValueError that names weights without a tensor and tensors without a weight."""
    # No file can have a tensor for a layer without a name; so these come first.
    missing = sorted(
        ((path, name) for path, name in wanted.items() if name not in given),
        key=lambda pair: pair[1] is not None,
    )
    extra = [_plain(name) for name in sorted(set(given) - set(wanted.values()))]
    if missing or extra:
        raise ValueError(
            f"Each weight of the network needs its tensor in {os.fspath(source)}, and each tensor "
            f"its weight. Received: weights without a tensor: "
            f"{_some([_both(*pair) for pair in missing])}; tensors without a weight: {_some(extra)}"
        )


def _check_shape(weight: Any, value: np.ndarray, tensor: str) -> None:
    """ValueError unless the tensor, turned round for Keras, has the shape of the weight."""
    if tuple(weight.shape) != value.shape:
        raise ValueError(
            f"A tensor must have the shape of its weight, {weight.path} of "
            f"{tuple(weight.shape)}. Received: {value.shape} for tensor {tensor}"
        )


def _both(path: str, name: str | None) -> str:
    return f"{path} ({name or 'torchvision has no such layer'})"


def _plain(name: str) -> str:
    """The name as it is, unless it is empty, long or of more than one line."""
    return name if name.isprintable() and 0 < len(name) <= LONGEST_NAME else brief(name)


def _some(names: list[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more if names else "none"


def _keras_layout(tensor: np.ndarray, path: str) -> np.ndarray:
    """Kernels have output and input channels first in PyTorch, last in Keras."""
    if not path.endswith("/kernel") or tensor.ndim < 2:
        return tensor
    return tensor.transpose(*range(2, tensor.ndim), 1, 0)


def _ending(layer: str, names: Mapping[str, str]) -> str | None:
    """The name for the end of a layer's name, None if there is none."""
    return next((name for end, name in names.items() if layer.endswith(end)), None)
