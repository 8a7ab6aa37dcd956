"""The gradient over time in recurrent layers, against gradients that know nothing of the probe."""

import keras
import numpy as np
import pytest
from keras import layers
from members import quick
from quiet import GradientRecorder

from keraskip import compare, load_run
from keraskip.callbacks.hook.probe import Probe

RANDOM = np.random.default_rng(0)
STEPS = 7
X = RANDOM.normal(size=(5, STEPS, 3)).astype("float32")
Y = RANDOM.normal(size=(5, 2)).astype("float32")
TOKENS = RANDOM.integers(1, 9, (5, STEPS))
# Samples of 6, 6, 5, 3 and 1 tokens.
TOKENS[np.arange(STEPS) >= np.array([6, 6, 5, 3, 1])[:, None]] = 0


def compiled(model):
    model.compile(keras.optimizers.SGD(0.0), "mse")
    return model


def over_time(model, x, y):
    rows = Probe(x, y).look(model)
    return {row["layer"]: row["value"] for row in rows if row["probe"] == "time"}


def norms(gradient):
    return np.sqrt((np.asarray(gradient, dtype=float) ** 2).sum(axis=(0, 2))).tolist()


def gradient_at(function, x):
    """The gradient of a number that depends on x, by the means of each backend."""
    x = keras.ops.convert_to_tensor(x)
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.grad(function)(x))
    if keras.backend.backend() == "torch":
        x = x.detach().requires_grad_()
        function(x).backward()
        return x.grad.cpu().numpy()
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(x)
    return tape.gradient(value, x).numpy()


def squared_error(model, y):
    y = keras.ops.convert_to_tensor(y)
    return lambda x: keras.ops.mean((model(x, training=True) - y) ** 2)


def test_a_scalar_recurrence_loses_an_order_for_each_power_of_its_weight():
    """h[t] = 0.1 h[t-1] + x[t], so that the gradient at step t is 0.1^(6-t) times that of h."""
    layer = layers.SimpleRNN(1, activation=None, use_bias=False, name="memory")
    model = compiled(keras.Sequential([layers.Input((STEPS, 1)), layer]))
    layer.set_weights([np.ones((1, 1)), np.full((1, 1), 0.1)])
    x, y = X[:, :, :1], Y[:, :1]
    error = 2 * (x[:, :, 0] @ 0.1 ** np.arange(STEPS)[::-1, None] - y) / len(x)
    expected = np.linalg.norm(error) * 0.1 ** np.arange(STEPS)[::-1]
    values = over_time(model, x, y)["memory"]
    assert values == pytest.approx(expected, rel=1e-4)
    assert np.log10(values[-1] / values[0]) == pytest.approx(6, abs=1e-4)


def unrolled_gradient(x, mask, weights, gradients):
    """Backpropagation through a tanh recurrence, written out.

    Args:
        x: samples [batch, time, features].
        mask: the steps that count [batch, time]; the state is kept in others.
        weights: kernel, recurrent kernel, bias.
        gradients: those of the loss with respect to the states [batch, time, units].
    """
    kernel, recurrent, bias = weights
    states = [np.zeros((len(x), len(recurrent)))]
    for step in range(x.shape[1]):
        new = np.tanh(x[:, step] @ kernel + states[-1] @ recurrent + bias)
        states.append(np.where(mask[:, step, None], new, states[-1]))
    after, found = np.zeros_like(states[0]), np.zeros_like(x, dtype=float)
    for step in reversed(range(x.shape[1])):
        after = after + gradients[:, step]
        inner = after * (1 - states[step + 1] ** 2) * mask[:, step, None]
        found[:, step] = inner @ kernel.T
        after = np.where(mask[:, step, None], inner @ recurrent.T, after)
    return found


@pytest.mark.filterwarnings("ignore:Layer 'inner' .* was passed an input with a mask")
@pytest.mark.parametrize("every_step", [False, True], ids=["last", "every"])
@pytest.mark.parametrize("nested", [False, True], ids=["flat", "nested"])
def test_masked_steps(every_step, nested):
    """A sample adds nothing after its end; a step after the end of all samples is unknown."""
    words = layers.Embedding(9, 3, mask_zero=True, name="words")
    memory = layers.SimpleRNN(4, return_sequences=every_step, name="memory")
    out = layers.Dense(2, use_bias=False, name="out")
    tokens = layers.Input((STEPS,), dtype="int32")
    embedded = words(tokens)
    if nested:
        # The mask does not stand in the graph of a nested model; it comes with the tensor.
        inner = layers.Input((STEPS, 3))
        embedded = keras.Model(inner, memory(inner), name="inner")(embedded)
    else:
        embedded = memory(embedded)
    if every_step:
        # This ends the mask, so that the loss counts all steps.
        embedded = keras.ops.reshape(embedded, (-1, STEPS * 4))
    model = compiled(keras.Model(tokens, out(embedded)))
    memory.set_weights([RANDOM.normal(size=each.shape) for each in memory.get_weights()])
    found = keras.ops.convert_to_numpy(model(TOKENS))
    error = 2 * (found - Y) / Y.size @ out.get_weights()[0].T
    gradients = np.zeros((5, STEPS, 4))
    if every_step:
        gradients += error.reshape(5, STEPS, 4)
    else:
        gradients[:, -1] = error
    x = words.get_weights()[0][TOKENS]
    expected = norms(unrolled_gradient(x, TOKENS > 0, memory.get_weights(), gradients))
    (values,) = over_time(model, TOKENS, Y).values()
    assert expected[-1] == 0
    assert np.isnan(values[-1])
    assert values[:-1] == pytest.approx(expected[:-1], rel=1e-4)


RECURRENT = {
    "gru": lambda **more: layers.GRU(4, name="one", **more),
    "lstm": lambda **more: layers.LSTM(4, name="one", **more),
    "both": lambda **more: layers.Bidirectional(layers.LSTM(4, **more), name="one"),
    "cells": lambda **more: layers.RNN(
        [layers.LSTMCell(3), layers.SimpleRNNCell(4)], name="one", **more
    ),
}


# A GRU lies above each of them, and an LSTM is in both directions of one.
@pytest.mark.parametrize("kind", quick(["both", "cells"], RECURRENT))
def test_stacked_layers(kind):
    first, second = RECURRENT[kind](return_sequences=True), layers.GRU(3, name="two")
    start = layers.Input((STEPS, 3))
    between = first(start)
    model = compiled(keras.Model(start, layers.Dense(2)(second(between))))
    rest, hidden = keras.Model(between, model.output), keras.Model(start, between)(X)
    expected = {
        "one": norms(gradient_at(squared_error(model, Y), X)),
        "two": norms(gradient_at(squared_error(rest, Y), hidden)),
    }
    values = over_time(model, X, Y)
    assert list(values) == ["one", "two"]
    for name, norm in expected.items():
        assert values[name] == pytest.approx(norm, rel=1e-4)


def test_a_way_past_the_layer_does_not_count():
    """The sum `x + memory(x)` gives x a gradient at each step that the layer never saw."""
    start = layers.Input((STEPS, 3))
    memory = layers.GRU(3, return_sequences=True, name="memory")
    branch = memory(start)
    out = layers.Dense(2, name="out")
    model = compiled(keras.Model(start, out((start + branch)[:, -1])))

    def error(x):
        last, y = map(keras.ops.convert_to_tensor, (X[:, -1], Y))
        return keras.ops.mean((out(last + memory(x)[:, -1]) - y) ** 2)

    expected = norms(gradient_at(error, X))
    assert over_time(model, X, Y)["memory"] == pytest.approx(expected, rel=1e-4)


def test_a_layer_that_is_called_twice_and_by_name():
    memory = layers.GRU(3, name="memory")
    start, other = layers.Input((STEPS, 3)), layers.Input((STEPS, 3))
    state = memory(start)
    again = memory(sequences=other, initial_state=state)
    model = compiled(keras.Model([start, other], layers.Dense(2)(again)))
    second = X[::-1].copy()
    one, two = map(keras.ops.convert_to_tensor, (X, second))
    expected = [
        norms(gradient_at(lambda x: squared_error(model, Y)([x, two]), one)),
        norms(gradient_at(lambda x: squared_error(model, Y)([one, x]), two)),
    ]
    values = over_time(model, [X, second], Y)
    assert list(values) == ["memory", "memory (2)"]
    assert list(values.values()) == [pytest.approx(norm, rel=1e-4) for norm in expected]


def test_half_precision_does_not_lose_the_gradient_over_time():
    found = {}
    for policy in "float32", "mixed_float16":
        keras.utils.set_random_seed(0)
        stack = [layers.LSTM(4, dtype=policy, name="memory"), layers.Dense(2, dtype=policy)]
        stack += [layers.Rescaling(1e-4, dtype="float32")]
        model = keras.Sequential([layers.Input((STEPS, 3)), *stack])
        optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.0))
        model.compile(optimizer, "mse")
        found[policy] = over_time(model, X, Y)["memory"]
    assert found["mixed_float16"] == pytest.approx(found["float32"], rel=0.05)


@pytest.mark.slow
def test_a_run_keeps_the_steps_and_its_report_shows_them(tmp_path):
    stack = [layers.Embedding(9, 3, mask_zero=True), layers.GRU(4, name="memory"), layers.Dense(2)]
    model = compiled(keras.Sequential([layers.Input((STEPS,), dtype="int32"), *stack]))
    recorder = GradientRecorder(tmp_path / "run", probe=(TOKENS, Y))
    model.fit(TOKENS, Y, epochs=2, verbose=0, callbacks=[recorder])
    run = load_run(tmp_path / "run")
    time = run.probes[run.probes["probe"] == "time"]
    assert time["time"].tolist() == [*range(STEPS), *range(STEPS)]
    assert time["epoch"].tolist() == [0] * STEPS + [1] * STEPS
    assert set(time["layer"]) == {"memory"}
    assert set(time["depth"]) == {1}
    values = over_time(model, TOKENS, Y)["memory"]
    np.testing.assert_allclose(time["value"][-STEPS:], values, rtol=1e-5)
    assert run.probes[run.probes["probe"] != "time"]["time"].isna().all()
    page = compare(run.path).save(tmp_path / "report.html").read_text("utf-8")
    assert 'id="chart-time"' in page
