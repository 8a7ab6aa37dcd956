"""The data and networks of the examples, and how they are trained and recorded."""

import tempfile
from typing import NamedTuple

import keras
import numpy as np
from sklearn.datasets import load_digits

import keraskip


# --8<-- [start:networks]
def digits():
    """1600 images of digits with 64 pixels between 0 and 1, and their labels."""
    x, y = load_digits(return_X_y=True)
    return (x[:1600] / 16).astype("float32"), y[:1600].astype("int32")


def network(depth=3, activation="relu", initializer="he_normal", units=10, head="softmax", **more):
    """A stack of `depth` hidden layers of 32 units, and an output; `more` is for each layer."""
    layers = [
        keras.layers.Dense(32, activation, kernel_initializer=initializer, **more)
        for _ in range(depth)
    ]
    return keras.Sequential([keras.Input((64,)), *layers, keras.layers.Dense(units, head)])


class Training(NamedTuple):
    """A network and how it is trained."""

    model: keras.Model
    x: np.ndarray
    y: np.ndarray
    optimizer: object = "sgd"
    loss: object = "sparse_categorical_crossentropy"
    epochs: int = 2
    batch: int = 16
    compiling: dict = {}  # noqa: RUF012
    recording: dict = {}  # noqa: RUF012


def trained(training):
    """Trains a network with a recorder; returns the run."""
    accuracy = ["accuracy"] if "crossentropy" in str(training.loss) else []
    training.model.compile(
        training.optimizer,
        training.loss,
        **{"metrics": accuracy, "jit_compile": False, **training.compiling},
    )
    with tempfile.TemporaryDirectory() as folder:
        recorder = keraskip.GradientRecorder(
            f"{folder}/example", verbose=0, on_nonfinite="ignore", **training.recording
        )
        training.model.fit(training.x, training.y, training.batch, training.epochs, verbose=0,
                           shuffle=False, callbacks=[recorder])  # fmt: skip
        return keraskip.load_run(f"{folder}/example")


# --8<-- [end:networks]


def made(example, **changes):
    """The training of an example, the same in each call."""
    # Collecting what is left of the last network takes longer than this one.
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy("float32")
    return example(**changes)
