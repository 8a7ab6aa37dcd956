"""First weights that are the same on every backend: numpy draws them.

Keras draws with the random numbers of its backend, so the same seed gives other weights on each.
"""

import sys
from contextlib import nullcontext
from unittest.mock import patch

import keras
import numpy as np


def drawn_by_numpy(seed):
    """While this is entered, initializers take their numbers from numpy; with None, from Keras.

    The rule of each initializer stays as it is. Keras still draws the random numbers of
    training, for example in dropout.
    """
    if seed is None:
        return nullcontext()
    numbers = np.random.default_rng(seed)

    def normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
        return _tensor(numbers.normal(mean, stddev, shape), dtype)

    def uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
        return _tensor(numbers.uniform(minval, maxval, shape), dtype)

    def truncated_normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
        drawn = numbers.normal(size=shape)
        while (far := np.abs(drawn) > 2).any():
            drawn[far] = numbers.normal(size=far.sum())
        return _tensor(mean + stddev * drawn, dtype)

    initializers = sys.modules[keras.initializers.RandomNormal.__module__]
    return patch.multiple(
        initializers.random, normal=normal, uniform=uniform, truncated_normal=truncated_normal
    )


def _tensor(values, dtype):
    return keras.ops.convert_to_tensor(values.astype("float32"), dtype)
