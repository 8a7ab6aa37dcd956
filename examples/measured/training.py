"""Short trainings on handwritten digits, and how they end."""

import tempfile
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np

import keraskip
from keraskip.data import load_data
from keraskip.runs import Run

SHAPE = (8, 8, 1)
BATCH = 64
RATE = 0.1
# As in the papers, the rate falls to a tenth for the last third.
FALLS_AFTER = 2 / 3


class Trained(NamedTuple):
    """A network after its training, its record, and its errors in percent."""

    model: keras.Model
    run: Run
    train_error: float
    test_error: float
    train_loss: float
    test_loss: float


def train(
    build: Callable[[], keras.Model],
    seed: int,
    epochs: int,
    *,
    weight_decay: float | None = None,
) -> Trained:
    """Trains a network on the 1,294 digits for training: SGD with momentum 0.9, batches of 64."""
    digits = load_data("digits")
    x, y = digits.train.images, digits.train.labels
    keras.utils.set_random_seed(seed)
    model = build()
    total = epochs * steps_of_epoch(len(x))
    rate = keras.optimizers.schedules.PiecewiseConstantDecay(
        [int(total * FALLS_AFTER)], [RATE, RATE / 10]
    )
    optimizer = keras.optimizers.SGD(rate, momentum=0.9, weight_decay=weight_decay)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    with tempfile.TemporaryDirectory() as folder:
        recorder = keraskip.GradientRecorder(folder, overwrite=True, verbose=0)
        model.fit(x, y, batch_size=BATCH, epochs=epochs, verbose=0, callbacks=[recorder])
        run = keraskip.load_run(recorder.run_dir)
    train_loss, train_accuracy = model.evaluate(x, y, batch_size=256, verbose=0)
    test = (digits.test.images, digits.test.labels)
    test_loss, test_accuracy = model.evaluate(*test, batch_size=256, verbose=0)
    errors = (100 * (1 - train_accuracy), 100 * (1 - test_accuracy))
    return Trained(model, run, *errors, train_loss, test_loss)


def steps_of_epoch(samples: int) -> int:
    """The number of batches in an epoch; the last one may be smaller."""
    return -(-samples // BATCH)


def rms(run: Run) -> np.ndarray:
    """The root mean square of the gradient of each weight in each step [S, W]."""
    return run.grad_norm / np.sqrt(run.weights["size"].to_numpy())


def kernels(run: Run) -> np.ndarray:
    """The columns of the convolution kernels, from the input to the output."""
    weights = run.weights
    wanted = (weights["role"] == "kernel") & weights["path"].str.contains("conv")
    return weights[wanted].sort_values("depth").index.to_numpy()


def by_epoch(values: np.ndarray, epochs: int) -> list[float]:
    """The mean of the values of all steps in each epoch."""
    return [float(part.mean()) for part in np.array_split(values, epochs)]
