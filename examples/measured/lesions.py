"""Blocks taken out of a trained network, and the gradient of single paths through one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from keraskip.callbacks.hook.probe_passes import Shifts, gradients


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


class Gate(layers.Layer):
    """Adds a branch to a shortcut and lets the gradient back through chosen ones only."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        self.open = self.add_weight(shape=(2,), initializer="ones", trainable=False, name="open")

    def call(self, inputs: list) -> Any:
        """The sum of shortcut and branch, as without a gate."""
        parts = [
            self.open[index] * tensor + (1 - self.open[index]) * ops.stop_gradient(tensor)
            for index, tensor in enumerate(inputs)
        ]
        return parts[0] + parts[1]


def gated(model: keras.Model) -> keras.Model:
    """A copy of a residual network with a gate for each addition."""

    def copied(layer: layers.Layer) -> layers.Layer:
        if isinstance(layer, layers.Add):
            return Gate(layer.name)
        return layer.__class__.from_config(layer.get_config())

    copy = keras.models.clone_model(model, clone_function=copied)
    for layer in model.layers:
        if layer.weights:
            copy.get_layer(layer.name).set_weights(layer.get_weights())
    return copy


def path_norm(
    model: keras.Model, through: set[int], images: np.ndarray, labels: np.ndarray
) -> float:
    """The mean norm of the gradient that reaches an image on one path.

    Args:
        model: a network of `gated`.
        through: the numbers of the blocks whose branches lie on the path; it takes the shortcut
            around all others.
        images: `[n, height, width, channels]`.
        labels: `[n]`.
    """
    gates = [layer for layer in model.layers if isinstance(layer, Gate)]
    for number, gate in enumerate(gates):
        gate.set_weights([np.array([0.0, 1.0] if number in through else [1.0, 0.0])])

    def loss(shifts: Shifts) -> Any:
        found = model(shifts.inputs[0], training=False)
        return ops.sum(keras.losses.sparse_categorical_crossentropy(labels, found))

    start = Shifts({0: ops.convert_to_tensor(images)}, {}, {})
    gradient = ops.convert_to_numpy(gradients(loss, start).inputs[0])
    return float(np.linalg.norm(gradient.reshape(len(images), -1), axis=1).mean())
