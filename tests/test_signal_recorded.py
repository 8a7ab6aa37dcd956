"""Trainings that went wrong in a known way, recorded for real: the verdict must be right."""

import re

import keras
import numpy as np
import pytest
from keras import layers, ops
from quiet import GradientRecorder

from keraskip import load_run
from keraskip.analysis import diagnose, judge, learning_of

RANDOM = np.random.default_rng(0)
STEPS, BATCH = 20, 16
X = RANDOM.uniform(size=(STEPS * BATCH, 10)).astype("float32")
Y = RANDOM.integers(0, 2, (STEPS * BATCH, 1)).astype("float32")


def verdict_on(folder, model, x=X, y=Y, loss="mse", optimizer="sgd", **compiled):
    model.compile(optimizer, loss, **compiled)
    recorder = GradientRecorder(folder, on_nonfinite="ignore")
    model.fit(x, y, batch_size=BATCH, verbose=0, shuffle=False, callbacks=[recorder])
    return judge(load_run(folder))


def chain(x, count, activation="relu"):
    for _ in range(count):
        x = layers.Dense(16, activation)(x)
    return x


def test_a_dead_output_unit(tmp_path):
    """The output answers 0 to everything, and every gradient is exactly 0: `no gradient`."""
    never = keras.initializers.Constant(-1e6)
    inputs = keras.Input((10,))
    outputs = layers.Dense(1, "relu", bias_initializer=never)(chain(inputs, 4, None))
    verdict = verdict_on(tmp_path, keras.Model(inputs, outputs))
    assert (verdict.verdict, verdict.since) == ("no gradient", 0)


def test_attention_is_healthy(tmp_path):
    """The bias of the keys has no gradient by mathematics, and is left out."""
    x = inputs = keras.Input((5, 8))
    for _ in range(4):
        x = x + layers.MultiHeadAttention(2, 4)(x, x)
    model = keras.Model(inputs, layers.Dense(1)(x))
    samples = RANDOM.normal(size=(STEPS * BATCH, 5, 8))
    verdict = verdict_on(tmp_path, model, samples, RANDOM.normal(size=(STEPS * BATCH, 5, 1)))
    assert (verdict.verdict, verdict.notes) == ("healthy", ())


def test_an_auxiliary_output_that_is_not_trained(tmp_path):
    """An output with loss weight 0: the rest is healthy, and the head is named."""
    inputs = keras.Input((10,))
    trunk = chain(inputs, 4)
    main = layers.Dense(1, name="main")(chain(trunk, 2))
    aux = layers.Dense(1, name="aux")(chain(trunk, 1))
    model = keras.Model(inputs, [main, aux])
    verdict = verdict_on(tmp_path, model, X, [Y, Y], ["mse", "mse"], loss_weights=[1, 0.0])
    assert verdict.verdict == "healthy"
    assert "the last one aux, never got a gradient" in verdict.notes[0]


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_a_gradient_that_is_stopped(tmp_path):
    """The lower half lies behind stop_gradient: `no gradient` below it, on every backend."""

    class Stop(layers.Layer):
        def call(self, x):
            return ops.stop_gradient(x)

    inputs = keras.Input((10,))
    hidden = chain(Stop()(layers.Dense(16, "tanh", name="below")(chain(inputs, 2))), 3)
    verdict = verdict_on(tmp_path, keras.Model(inputs, layers.Dense(1)(hidden)))
    assert verdict.verdict == "no gradient"
    assert "the last one below" in verdict.reason


@pytest.mark.slow  # the note by itself: test_signal.py
def test_recurrent_layers_are_not_judged_over_time(tmp_path):
    """Three SimpleRNN: healthy over layers, and the verdict says that time was not looked at."""
    x = inputs = keras.Input((12, 4))
    for _ in range(3):
        x = layers.SimpleRNN(8, return_sequences=True)(x)
    samples = RANDOM.uniform(size=(STEPS * BATCH, 12, 4)).astype("float32")
    verdict = verdict_on(
        tmp_path, keras.Model(inputs, layers.Dense(1)(x)), samples, samples[..., :1]
    )
    assert verdict.verdict == "healthy"
    assert "over time was not looked at" in verdict.notes[0]


def test_a_learning_rate_that_changes_nothing(tmp_path):
    """A rate of 1e-9: the signal is healthy, updates change nothing, and which rate would."""
    inputs = keras.Input((10,))
    model = keras.Model(inputs, layers.Dense(1, "sigmoid")(chain(inputs, 6, "tanh")))
    rate = keras.optimizers.SGD(1e-9)
    verdict = verdict_on(tmp_path, model, loss="binary_crossentropy", optimizer=rate)
    assert verdict.verdict == "healthy"
    run = load_run(tmp_path)
    assert learning_of(run).state == "frozen"
    (finding, *_) = diagnose(run)
    assert finding.kind == "updates too small"
    rate = re.search(r"learning_rate=([\d.e-]+)", finding.remedy)[1]
    assert 1e-3 < float(rate) < 10


@pytest.mark.parametrize("growing", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_maps_that_change_their_size(tmp_path, growing):
    """Convolutions from 4 to 32 pixels: not vanishing. From 32 to 4: healthy."""
    if growing:
        x = inputs = keras.Input((16,))
        x = layers.Reshape((4, 4, 8))(layers.Dense(128, "relu")(x))
        for channels in (8, 6, 4):
            x = layers.Conv2DTranspose(channels, 4, 2, "same", activation="relu")(x)
        model = keras.Model(inputs, layers.Conv2D(1, 3, padding="same")(x))
        samples, targets = (
            RANDOM.normal(size=(STEPS * BATCH, 16)),
            np.ones((STEPS * BATCH, 32, 32, 1)),
        )
    else:
        x = inputs = keras.Input((32, 32, 1))
        for channels in (4, 6, 8):
            x = layers.Conv2D(channels, 4, 2, "same", activation="relu")(x)
        model = keras.Model(inputs, layers.Dense(1)(chain(layers.Flatten()(x), 1)))
        samples, targets = RANDOM.uniform(size=(STEPS * BATCH, 32, 32, 1)), Y
    verdict = verdict_on(tmp_path, model, samples.astype("float32"), targets)
    assert verdict.verdict in ("healthy", "inconclusive" if growing else "healthy")
    counts = load_run(tmp_path).weights["positions"]
    assert {64, 256} <= set(counts)
