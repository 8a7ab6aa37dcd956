"""Short trainings on handwritten digits, and how they end."""

import tempfile
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras.optimizers.schedules import CosineDecay, LearningRateSchedule, PiecewiseConstantDecay

import keraskip
from keraskip.data.parts import Part
from keraskip.runs import Run
from measured.networks import digits

SHAPE = (8, 8, 1)
BATCH = 64
RATE = 0.1
# As in the papers, the rate falls to a tenth for the last third.
FALLS_AFTER = 2 / 3
WARM_EPOCHS, WARM_RATE = 2, 0.01


class Trained(NamedTuple):
    """A network after its training, its record, and its errors in percent."""

    model: keras.Model
    run: Run
    train_error: float
    test_error: float
    train_loss: float


def train(
    build: Callable[[], keras.Model],
    seed: int,
    epochs: int,
    rate: LearningRateSchedule,
    **options: Any,
) -> Trained:
    """Trains as `fitted` does, and records the gradients of all steps."""
    with tempfile.TemporaryDirectory() as folder:
        recorder = keraskip.GradientRecorder(folder, overwrite=True, verbose=0)
        model = fitted(build, seed, epochs, rate, callbacks=[recorder], **options)
        run = keraskip.load_run(recorder.run_dir)
    train_loss, train_error = loss_and_error(model, digits().train)
    return Trained(model, run, train_error, test_error(model), train_loss)


def fitted(
    build: Callable[[], keras.Model],
    seed: int,
    epochs: int,
    rate: LearningRateSchedule,
    *,
    weight_decay: float | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> keras.Model:
    """A network trained on the 1,294 digits for training: SGD, momentum 0.9, batches of 64."""
    part = digits().train
    keras.utils.set_random_seed(seed)
    model = build()
    optimizer = keras.optimizers.SGD(rate, momentum=0.9, weight_decay=weight_decay)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        part.images,
        part.labels,
        batch_size=BATCH,
        epochs=epochs,
        verbose=0,
        callbacks=list(callbacks),
    )
    return model


def falling(epochs: int) -> LearningRateSchedule:
    """A rate of 0.1, and of a tenth of it in the last third."""
    total = epochs * steps_of_epoch(len(digits().train))
    return PiecewiseConstantDecay([int(total * FALLS_AFTER)], [RATE, RATE / 10])


@keras.saving.register_keras_serializable("measured")
class WarmedUp(LearningRateSchedule):
    """A rate of 0.01 in the first two epochs; then it falls from 0.1 to 0 as a cosine does."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self.steps = steps_of_epoch(len(digits().train))
        self.cosine = CosineDecay(RATE, epochs * self.steps)

    def __call__(self, step: Any) -> Any:
        """The rate of a step."""
        warm = step < WARM_EPOCHS * self.steps
        return keras.ops.where(warm, WARM_RATE, self.cosine(step))

    def get_config(self) -> dict[str, int]:
        """The arguments of the constructor."""
        return {"epochs": self.epochs}


def loss_and_error(model: keras.Model, part: Part) -> tuple[float, float]:
    """The mean loss, and the share of images in percent that get a wrong class."""
    loss, accuracy = model.evaluate(part.images, part.labels, batch_size=256, verbose=0)
    return float(loss), float(100 * (1 - accuracy))


def test_error(model: keras.Model) -> float:
    """The share of test images, in percent, that get a wrong class."""
    return loss_and_error(model, digits().test)[1]


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
