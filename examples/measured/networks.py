"""Digits, and new networks for them."""

from collections.abc import Callable
from functools import cache

import keras
import numpy as np

from keraskip.callbacks.hook.probe import Probe
from keraskip.data import load_data
from keraskip.data.parts import Dataset


@cache
def digits() -> Dataset:
    """The 1,797 handwritten digits of 8x8 pixels that scikit-learn ships."""
    return load_data("digits")


def batch(samples: int) -> tuple[np.ndarray, np.ndarray]:
    """The first training images `[samples, 8, 8, 1]` and their labels."""
    part = digits().train
    return part.images[:samples], part.labels[:samples]


def seeded(seed: int, build: Callable[..., keras.Model], *args, **kwargs) -> keras.Model:
    """A network for the digits, with the random weights of a seed."""
    keras.utils.set_random_seed(seed)
    return build(*args, input_shape=digits().input_shape, **kwargs)


def looked_at(seed: int, build: Callable[..., keras.Model], *args, **kwargs) -> list[dict]:
    """The probe of a new network on 64 digits, which `keraskip` documents in `Probe.look`."""
    model = seeded(seed, build, *args, **kwargs)
    model.compile("sgd", "sparse_categorical_crossentropy")
    return Probe(*batch(64)).look(model)
