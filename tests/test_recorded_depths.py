"""What the recorder says of networks whose order is not that in which their layers were made."""

import keras
import numpy as np
import pytest
from keras import layers
from quiet import GradientRecorder

from keraskip import load_run
from keraskip.analysis import judge

COUNT, STEPS, BATCH = 16, 20, 32
X = np.random.default_rng(0).uniform(size=(STEPS * BATCH, 10)).astype("float32")


def sigmoid_layers():
    return [layers.Dense(16, "sigmoid", name=f"hidden{number}") for number in range(COUNT)]


class Reverse(keras.Model):
    """Layers that are called in another order than they were made."""

    def __init__(self):
        super().__init__()
        self.head = layers.Dense(1, name="head")
        self.stack = sigmoid_layers()

    def call(self, x):
        for layer in self.stack[::-1]:
            x = layer(x)
        return self.head(x)


class Half(layers.Layer):
    """A layer that contains layers."""

    def __init__(self, stack):
        super().__init__()
        self.stack = stack

    def call(self, x):
        for layer in self.stack:
            x = layer(x)
        return x


def in_halves():
    inputs, stack = keras.Input((10,)), sigmoid_layers()
    half = Half(stack[: COUNT // 2])(inputs)
    return keras.Model(inputs, layers.Dense(1, name="head")(Half(stack[COUNT // 2 :])(half)))


# The depths of layers in a layer: test_graph.py, too.
@pytest.mark.parametrize(
    ("build", "first"),
    [(Reverse, "hidden15"), pytest.param(in_halves, "hidden0", marks=pytest.mark.slow)],
)
def test_a_network_that_vanishes_is_judged_in_the_order_of_its_calls(tmp_path, build, first):
    model = build()
    model.compile("sgd", "mse")
    fit = {"batch_size": BATCH, "shuffle": False, "verbose": 0}
    history = model.fit(X, X[:, :1], callbacks=[GradientRecorder(tmp_path)], **fit).history
    run = load_run(tmp_path)
    assert run.info["depth_from"] == "graph"
    assert run.info["depth"] == run.weights["depth"].max() == COUNT + 1
    assert f"/{first}" in f"/{run.weights['layer'].iloc[0]}"
    assert run.weights["layer"].iloc[-1].endswith("head")
    assert run.weights["after"].map(len).tolist() == [0, 0, *[1] * (2 * COUNT)]
    assert run.weights["last"].tolist() == [*[False] * (2 * COUNT), True, True]
    assert set(run.weights["positions"]) == {1}
    assert history["grad_norm_first"][0] < 1e-6 * history["grad_norm_last"][0]
    verdict = judge(run)
    assert verdict.verdict == "vanishing"
    assert verdict.attenuation.value == pytest.approx(9.5, abs=1.5)
