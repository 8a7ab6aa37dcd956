"""The gradient on single paths through a residual network."""

from math import comb
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from keraskip.callbacks.hook.probe_passes import Shifts, gradients
from measured.networks import digits

IMAGES = 64


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


def magnitudes(model: keras.Model, samples: int, seed: int) -> list[float]:
    """For each length, the norm of the gradient on random paths times the number of paths.

    Args:
        model: a residual network.
        samples: how many random paths of each length are followed.
        seed: of the random choice of paths.
    """
    part, copy = digits().test.take(np.arange(IMAGES)), gated(model)
    blocks = sum(isinstance(layer, layers.Add) for layer in model.layers)
    random = np.random.default_rng(seed)
    found = []
    for length in range(blocks + 1):
        ways = [set(random.permutation(blocks)[:length]) for _ in range(samples)]
        norms = [path_norm(copy, way, part.images, part.labels) for way in ways]
        found.append(float(np.mean(norms)) * comb(blocks, length))
    return found


def mean_length(magnitudes: list[float]) -> float:
    """The mean length of a path, weighted by the gradient, as a share of the blocks."""
    lengths = np.arange(len(magnitudes))
    return float(np.average(lengths, weights=magnitudes) / lengths[-1])
