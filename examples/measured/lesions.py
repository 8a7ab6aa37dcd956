"""Blocks taken out of a trained network."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np
from keras import layers

from measured.training import test_error


def removable(model: keras.Model) -> list[str]:
    """The blocks that leave the shape as it is, by the beginning of their layers' names."""
    names = [layer.name.removesuffix("_conv1") for layer in model.layers]
    blocks = [name for name in names if f"{name}_conv1" in {layer.name for layer in model.layers}]
    return [name for name in blocks if _keeps_shape(model.get_layer(f"{name}_conv1"))]


def _keeps_shape(convolution: layers.Conv2D) -> bool:
    return convolution.strides == (1, 1) and convolution.kernel.shape[2] == convolution.filters


@contextmanager
def without(model: keras.Model, block: str) -> Iterator[None]:
    """The network with a block of two convolutions replaced by the identity, for a while.

    In a residual network the branch is set to 0, so that its shortcut is left. In a plain network
    the weights of the block are those of the identity, which is exact because its input, behind a
    ReLU, is not negative.
    """
    changed = [layer for layer in model.layers if layer.name.startswith(f"{block}_")]
    before = [layer.get_weights() for layer in changed]
    has_skip = any(isinstance(layer, layers.Add) for layer in changed)
    for layer in changed:
        if isinstance(layer, layers.BatchNormalization):
            _, _, mean, variance = layer.get_weights()
            gamma = np.sqrt(variance + layer.epsilon)
            layer.set_weights([0 * gamma if has_skip else gamma, 0 * mean if has_skip else mean,
                               mean, variance])  # fmt: skip
        elif isinstance(layer, layers.Conv2D) and not has_skip:
            layer.set_weights([_identity(layer.kernel.shape)])
    yield
    for layer, weights in zip(changed, before, strict=True):
        layer.set_weights(weights)


def _identity(shape: tuple[int, ...]) -> np.ndarray:
    """A kernel that hands each pixel on."""
    kernel = np.zeros(shape, "float32")
    kernel[shape[0] // 2, shape[1] // 2] = np.eye(shape[2])
    return kernel


def errors_without(model: keras.Model) -> dict[str, float]:
    """The test error in percent without each one of the blocks that can be removed."""
    errors = {}
    for block in removable(model):
        with without(model, block):
            errors[block] = test_error(model)
    return errors
