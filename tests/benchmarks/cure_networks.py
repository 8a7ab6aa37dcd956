"""Eight networks for `cures.py`, and what skips are expected to do to each.

Written before the first run of these eight, from what was known of four MLPs, of the sums of ReLU
and sigmoid branches (De & Smith 2020, Bachlechner et al. 2020), and of rates that are too low. Five
of the 24 entries came otherwise, and are mended; the comments say so.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
from keras import layers


class Network(NamedTuple):
    """A network that is trained plain and with skips.

    Attributes:
        hidden: makes the layers between the input, images of 8 x 8 pixels, and the softmax.
        expected: whether it learns: plain, with skips, with skips of a learned scalar.
        rate: the learning rate of SGD.
    """

    hidden: Callable[[], list[Any]]
    expected: tuple[bool, bool, bool]
    rate: float = 0.05


def dense(count, activation, width=64):
    return [layers.Dense(width, activation) for _ in range(count)]


def flat(count, activation):
    return [layers.Flatten(), *dense(count, activation)]


def nested(count, activation):
    """Models of six layers each in a model."""
    parts = [[keras.Input((64,)), *dense(6, activation)] for _ in range(count)]
    return [layers.Flatten(), *(keras.Sequential(part) for part in parts)]


def conv(count, activation, width=12):
    hidden = [layers.Conv2D(width, 3, padding="same", activation=activation) for _ in range(count)]
    return [*hidden, layers.GlobalAveragePooling2D()]


def lstm(count, width=24):
    """Reads an image row by row."""
    hidden = [layers.LSTM(width, return_sequences=True) for _ in range(count)]
    return [layers.Reshape((8, 8)), *hidden, layers.GlobalAveragePooling1D()]


NETWORKS = {
    # Plain skips add a mean of 0.5 per unit and branch, so the sum hides the input.
    "MLP, 20 sigmoid": Network(lambda: flat(20, "sigmoid"), (False, False, True)),
    # Plain skips were expected to cure: they do so for one seed of two.
    "MLP, 20 ReLU": Network(lambda: flat(20, "relu"), (False, False, True)),
    # 300 steps of this rate move no kernel by a hundredth of itself, whatever the path.
    "MLP, 8 ReLU, rate 1e-5": Network(lambda: flat(8, "relu"), (False, False, False), 1e-5),
    "nested, 4 x 6 dense GELU": Network(lambda: nested(4, "gelu"), (False, True, True)),
    # The scalar was expected to cure, here and in the next; the accuracy stays at chance.
    "conv, 24 tanh": Network(lambda: conv(24, "tanh"), (False, True, False)),
    # Expected to explode, as each block adds its like to the sum; the gradient does not, though.
    "conv, 30 ReLU": Network(lambda: conv(30, "relu"), (False, False, False)),
    "conv, 24 sigmoid": Network(lambda: conv(24, "sigmoid"), (False, False, False)),
    # Both skips were expected to cure; they come to 0.64 and 0.65.
    "LSTM, 6 layers, rate 0.5": Network(lambda: lstm(6), (False, False, False), 0.5),
}
