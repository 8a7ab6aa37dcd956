"""Embeddings on TensorFlow: measured by the rows in their gradient, numbers of the whole."""

import keras
import numpy as np
import pytest
from by_hand import gradients_by_hand
from keras import layers
from quiet import GradientRecorder

from keraskip import load_run
from keraskip.callbacks.columns import STATISTICS

if keras.backend.backend() != "tensorflow":
    pytest.skip("JAX and PyTorch have no sparse gradients", allow_module_level=True)

import tensorflow as tf

from keraskip.callbacks.step import sparse_rows
from keraskip.callbacks.step.optimizers import LARGE_TABLE, summed
from keraskip.callbacks.step.sparse_rows import SparseRows

WORDS, WIDTH = 4096, 16
assert WORDS * WIDTH == LARGE_TABLE
STEPS, BATCH = 4, 8
RANDOM = np.random.default_rng(0)
# Many words occur several times, in a sentence and in a batch.
TOKENS = RANDOM.integers(0, 20, (STEPS * BATCH, 6)) * 200
LABELS = RANDOM.normal(size=(STEPS * BATCH, 1)).astype("float32")


# One weight, without a network


@pytest.fixture
def step(monkeypatch):
    """A function that changes rows of a weight as plain SGD does; it gives the statistics."""
    monkeypatch.setattr(sparse_rows, "BLOCKS", 8)
    variable = keras.Variable(RANDOM.normal(size=(WORDS, WIDTH)).astype("float32"))
    rows = SparseRows([variable])

    def step(gradient, indices, rate=0.5):
        values = np.asarray(gradient, "float32").reshape(-1, WIDTH)
        given = tf.IndexedSlices(tf.constant(values), tf.constant(indices, "int64"), (WORDS, WIDTH))
        seen = rows.before([variable], {0: summed(given)}, [variable])
        before = variable.numpy()
        change = rate * values if rate else np.zeros_like(values)
        variable.value.scatter_sub(tf.IndexedSlices(change, given.indices))
        (found,) = rows.table(seen, [variable], True).numpy()
        whole = tf.convert_to_tensor(given).numpy() if indices else np.zeros_like(before)
        return dict(zip(STATISTICS, found, strict=True)), by_numpy(whole, before, variable.numpy())

    step.variable = variable
    return step


def by_numpy(gradient, before, after):
    before, after = before.astype(float), after.astype(float)
    return {
        "grad_norm": np.linalg.norm(gradient.astype(float)),
        "grad_max": np.abs(gradient).max(),
        "grad_nonfinite": (~np.isfinite(gradient)).sum(),
        "weight_norm": np.linalg.norm(before),
        "update_norm": np.linalg.norm(after - before),
        "frozen": (after == before).mean(),
    }


def assert_equal(found, expected, rel=1e-6):
    assert found == pytest.approx(expected, rel=rel, nan_ok=True)


def some_rows(number):
    return RANDOM.normal(size=(number, WIDTH)), RANDOM.integers(0, WORDS, number).tolist()


def test_more_steps_than_blocks(step):
    for _ in range(2 * sparse_rows.BLOCKS + 4):
        assert_equal(*step(*some_rows(50)))


@pytest.mark.parametrize("size", [1e-37, 1e-20, 1e20, 1e30])
def test_any_magnitude(step, size):
    assert_equal(*step(np.array([[3.0, -4.0] * 8] * 2) * size, [7, 9], rate=0.0))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(step, bad):
    gradient, indices = some_rows(3)
    gradient[1, 5] = bad
    assert_equal(*step(gradient, indices, rate=0.0))


def test_a_batch_without_a_word(step):
    assert_equal(*step([], []))


def test_a_change_from_outside_is_noticed(step):
    step(*some_rows(5))
    step.variable.assign(2 * step.variable.value)
    assert_equal(*step(*some_rows(5)))


def test_a_change_of_few_rows_from_outside_is_noticed_in_turn(step):
    step(*some_rows(5))
    changed = step.variable.numpy()
    changed[3000:3010] *= 10
    step.variable.assign(changed)
    for _ in range(sparse_rows.BLOCKS):
        found, expected = step(*some_rows(5))
    assert_equal(found, expected)


# In training


def network(optimizer, kind=keras.Sequential, **options):
    keras.utils.set_random_seed(0)
    model = kind([layers.Embedding(WORDS, WIDTH), layers.Flatten(), layers.Dense(1)])
    model.build((None, 6))
    model.compile(optimizer, "mse", **options)
    return model


def fit(model, *callbacks):
    options = {"batch_size": BATCH, "shuffle": False, "verbose": 0}
    model.fit(TOKENS, LABELS, callbacks=list(callbacks), **options)
    return model.get_weights()


def statistics_by_hand(model):
    """The statistics of the embedding in each step."""
    found = []
    for start in range(0, len(TOKENS), BATCH):
        part = slice(start, start + BATCH)
        gradients = gradients_by_hand(model, TOKENS[part], LABELS[part])
        before = model.get_weights()[0]
        model.optimizer.apply(gradients, model.trainable_variables)
        found.append(by_numpy(gradients[0].numpy(), before, model.get_weights()[0]))
    return found


@pytest.fixture
def measured_by_rows(monkeypatch):
    """Whether a weight was."""
    made = []
    monkeypatch.setattr(SparseRows, "__init__", told(made, SparseRows.__init__))
    return lambda: bool(made)


def told(made, original):
    def init(self, variables):
        made.append(self)
        original(self, variables)

    return init


def scaled():
    return keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.5), 4.0)


OPTIMIZERS = {
    "plain": (lambda: keras.optimizers.SGD(0.5), True, {}),
    "compiled": (lambda: keras.optimizers.SGD(0.5), False, {"jit_compile": True}),
    "eager": (lambda: keras.optimizers.SGD(0.5), True, {"run_eagerly": True}),
    "scaled": (scaled, True, {}),
    "momentum": (lambda: keras.optimizers.SGD(0.5, momentum=0.9), False, {}),
    "momentum, eager": (
        lambda: keras.optimizers.SGD(0.5, momentum=0.9),
        False,
        {"run_eagerly": True},
    ),
    "decay": (lambda: keras.optimizers.SGD(0.5, weight_decay=0.01), False, {}),
}
QUICK = ("plain", "momentum, eager")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in OPTIMIZERS],
)
def test_an_embedding(tmp_path, measured_by_rows, name):
    optimizer, by_rows, options = OPTIMIZERS[name]
    recorded = fit(network(optimizer(), **options), GradientRecorder(tmp_path))
    assert measured_by_rows() == by_rows
    run = load_run(tmp_path)
    (column,) = np.flatnonzero(run.weights["path"].str.contains("embedding"))
    unrecorded = getattr(optimizer(), "inner_optimizer", optimizer())
    for step, expected in enumerate(statistics_by_hand(network(unrecorded))):
        found = {name: run.statistics[name][step, column] for name in STATISTICS}
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-7), step
    for expected, found in zip(fit(network(optimizer(), **options)), recorded, strict=True):
        np.testing.assert_array_equal(found, expected)


class Clipping(keras.Sequential):
    """Its gradients are products, which the recorder computes again for itself."""

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, self(x, training=True))
        gradients = tape.gradient(loss, self.trainable_variables)
        gradients, _ = tf.clip_by_global_norm(gradients, 0.1)
        self.optimizer.apply(gradients, self.trainable_variables)
        return {"loss": loss}


@pytest.mark.slow
def test_clipping_in_a_step_of_ones_own(tmp_path, measured_by_rows):
    plain = keras.optimizers.SGD
    recorded = fit(network(plain(1.0), Clipping), GradientRecorder(tmp_path))
    assert measured_by_rows()
    run = load_run(tmp_path)
    np.testing.assert_allclose(run.grad_norm, run.update_norm, rtol=1e-4)
    for expected, found in zip(fit(network(plain(1.0), Clipping)), recorded, strict=True):
        np.testing.assert_array_equal(found, expected)
