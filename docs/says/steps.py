import keras
import numpy as np
from fragments import Training, finding


def first_of(count):
    """Sequences of noise; the answer is their first number."""
    x = np.random.default_rng(0).normal(size=(1600, count, 1)).astype("float32")
    return x, x[:, 0]


def recurrent(cell, count):
    """A recurrent layer of 12 units, and a number as its answer."""
    return keras.Sequential([keras.Input((count, 1)), cell, keras.layers.Dense(1)])


@finding("time")
def the_first_of_sixty():
    """A plain recurrent layer has to remember the first of 60 numbers."""
    x, y = first_of(60)
    cell = keras.layers.SimpleRNN(12)
    return Training(recurrent(cell, 60), x, y, keras.optimizers.Adam(3e-3), "mse", epochs=4,
                    recording={"probe": (x[:32], y[:32])})  # fmt: skip


@finding("time not seen")
def without_a_probe():
    """The same, recorded without a probe."""
    return the_first_of_sixty()._replace(recording={})
