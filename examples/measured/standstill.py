"""Deep dense networks, and how much their first kernel moves."""

import tempfile
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import layers

import keraskip
from measured.networks import batch, digits
from measured.training import BATCH

# The textbook's number.
RATE = 1e-4
WIDTH = 64
STEPS = 3


def plain(activation: str, depth: int) -> keras.Model:
    """A network of dense layers of one width, with the usual initialisation of the activation."""
    start = "he_normal" if activation == "relu" else "glorot_uniform"
    hidden = [layers.Dense(WIDTH, activation, kernel_initializer=start) for _ in range(depth)]
    head = layers.Dense(10, "softmax")
    return keras.Sequential([keras.Input(digits().input_shape), layers.Flatten(), *hidden, head])


def with_skips(depth: int) -> keras.Model:
    """The network with sigmoid, and a skip over every two of its layers."""
    return keraskip.add_skips(plain("sigmoid", depth), verbose=False)


NETWORKS = {
    "sigmoid": partial(plain, "sigmoid"),
    "tanh": partial(plain, "tanh"),
    "relu": partial(plain, "relu"),
    "sigmoid with skips": with_skips,
}


def first_steps(build: Any, depth: int, seed: int) -> dict[str, float]:
    """Gradient and frozen share of the first kernel, mean over the first steps."""
    images, labels = batch(STEPS * BATCH)
    # The pixels that are black in all digits are 0, and their weights would get no gradient at all.
    x, y = 2 * images - 1, labels
    keras.utils.set_random_seed(seed)
    model = build(depth)
    # To compile takes longer than a few steps.
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.SGD(RATE), loss, run_eagerly=True)
    with tempfile.TemporaryDirectory() as folder:
        recorder = keraskip.GradientRecorder(folder, layers="kernel", overwrite=True, verbose=0)
        model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0, callbacks=[recorder])
        run = keraskip.load_run(recorder.run_dir)
    first = int(run.weights["depth"].argmin())
    size = run.weights["size"][first]
    return {
        "gradient": float(run.grad_norm[:, first].mean() / np.sqrt(size)),
        "frozen": float(run.frozen[:, first].mean()),
    }
