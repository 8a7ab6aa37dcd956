"""The recorder on models, optimizers and settings of all kinds: true numbers, training unmoved."""

import keras
import numpy as np
import pytest
from by_hand import gradients_by_hand
from keras import layers
from keras.optimizers import SGD
from members import quick
from quiet import GradientRecorder

from keraskip import load_run

BACKEND = keras.backend.backend()
STEPS, BATCH = 4, 8
RANDOM = np.random.default_rng(0)
NUMBERS = RANDOM.normal(size=(STEPS * BATCH, 6)).astype("float32")
WORDS = RANDOM.integers(1, 20, (STEPS * BATCH, 5))
LABELS = RANDOM.integers(0, 3, STEPS * BATCH)


class Subclassed(keras.Model):
    """Gets its weights when it is first called."""

    def __init__(self):
        super().__init__()
        self.hidden = layers.Dense(8, "tanh")
        self.outputs_layer = layers.Dense(3, "softmax")

    def call(self, x, training=None):
        return self.outputs_layer(self.hidden(x))


class OwnStep(Subclassed):
    """With a training step of its own."""

    def train_step(self, *arguments):
        if BACKEND == "jax":
            return self._jax_step(*arguments)
        x, y, *_ = arguments[0]
        if BACKEND == "tensorflow":
            import tensorflow as tf

            with tf.GradientTape() as tape:
                loss = self.compute_loss(y=y, y_pred=self(x, training=True))
            grads = tape.gradient(loss, self.trainable_variables)
            self.optimizer.apply_gradients(zip(grads, self.trainable_variables, strict=True))
            return {"loss": loss}
        import torch

        self.zero_grad()
        loss = self.compute_loss(y=y, y_pred=self(x, training=True))
        loss.backward()
        with torch.no_grad():
            grads = [variable.value.grad for variable in self.trainable_variables]
            self.optimizer.apply(grads, self.trainable_variables)
        return {"loss": loss}

    def _jax_step(self, state, data):
        import jax

        trainable, others, of_optimizer, metrics = state
        x, y, *_ = data

        def loss_of(trainable):
            outputs, _ = self.stateless_call(trainable, others, x, training=True)
            return self.compute_loss(y=y, y_pred=outputs)

        loss, grads = jax.value_and_grad(loss_of)(trainable)
        trainable, of_optimizer = self.optimizer.stateless_apply(of_optimizer, grads, trainable)
        return {"loss": loss}, (trainable, others, of_optimizer, metrics)


class Scale(layers.Layer):
    """Has a single number as its weight."""

    def build(self, shape):
        self.factor = self.add_weight(shape=(), initializer="ones", name="factor")

    def call(self, x):
        return x * self.factor


def stack(*members, shape=(6,), dtype="float32"):
    return keras.Sequential(
        [layers.Input(shape, dtype=dtype), *members, layers.Dense(3, "softmax")]
    )


def dense():
    return stack(layers.Dense(8, "tanh"))


def deferred():
    return keras.Sequential([layers.Dense(8, "tanh"), layers.Dense(3, "softmax")])


def nested():
    inputs = keras.Input((6,))
    inner = keras.Sequential([layers.Dense(8, "tanh"), layers.Dense(8, "tanh")])
    return keras.Model(inputs, layers.Dense(3, "softmax")(inner(inputs)))


def shared():
    inputs, twice = keras.Input((6,)), layers.Dense(6, "tanh")
    return keras.Model(inputs, layers.Dense(3, "softmax")(twice(twice(inputs))))


def partly_frozen():
    model = stack(layers.Dense(8, "tanh"), layers.Dense(8, "tanh"))
    model.layers[0].trainable = False
    return model


def embedded():
    members = layers.Embedding(20, 4), layers.GlobalAveragePooling1D()
    return stack(*members, shape=(5,), dtype="int32")


def recurrent():
    members = layers.Embedding(20, 4, mask_zero=True), layers.LSTM(4)
    return stack(*members, shape=(5,), dtype="int32")


def normalized():
    return stack(layers.Dense(8), layers.BatchNormalization(), layers.ReLU())


def scaled():
    return stack(Scale())


def by_layer():
    optimizers = {".*bias": SGD(0.1)}
    return keras.optimizers.OptimizerMap(keras.optimizers.Adam(), optimizers)


MODELS = (
    dense, deferred, Subclassed, OwnStep, nested, shared, partly_frozen, embedded, recurrent,
    normalized, scaled,
)  # fmt: skip
# Those that no file beside this one trains.
QUICK_MODELS = (OwnStep, shared)
OPTIMIZERS = (
    "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "Ftrl", "Lamb", "Lion", "Muon",
    "Nadam", "RMSprop", "SGD", "ScheduleFreeAdamW",
)  # fmt: skip
# Its steps differ most, by the shape of a weight. Adam: test_recorder_loop.py.
QUICK = ("Muon",)
SETTINGS = {
    "clipnorm": {"optimizer": lambda: SGD(0.1, clipnorm=0.1)},
    "global_clipnorm": {"optimizer": lambda: SGD(0.1, global_clipnorm=0.1)},
    "clipvalue": {"optimizer": lambda: SGD(0.1, clipvalue=0.01)},
    "accumulation": {"optimizer": lambda: SGD(0.1, gradient_accumulation_steps=4)},
    "averaging": {"optimizer": lambda: SGD(0.1, use_ema=True, ema_overwrite_frequency=3)},
    "weight_decay": {"optimizer": lambda: SGD(0.1, weight_decay=0.1)},
    "loss_scale_factor": {"optimizer": lambda: SGD(0.1, loss_scale_factor=128.0)},
    "loss_scale": {"optimizer": lambda: keras.optimizers.LossScaleOptimizer(SGD(0.1))},
    "several": {"optimizer": lambda: keras.optimizers.MultiOptimizer(by_layer())},
    "eagerly": {"run_eagerly": True},
}
# They change the gradient, or how the step runs. Clipping, loss scales and several steps in one
# execution: test_recorder.py and test_recorder_statistics.py.
QUICK_SETTINGS = ("accumulation", "several", "jit_compile")
if BACKEND != "torch":
    SETTINGS["jit_compile"] = {"jit_compile": True}
    SETTINGS["steps_per_execution"] = {"steps_per_execution": 4}


def made(build, optimizer="sgd", **options):
    keras.utils.clear_session(free_memory=False)  # names count from the start again
    keras.utils.set_random_seed(0)
    model = build()
    model.compile(optimizer, "sparse_categorical_crossentropy", **options)
    return model


def images_for(build):
    return WORDS if build in (embedded, recurrent) else NUMBERS


def fit(model, x, *callbacks):
    options = {"batch_size": BATCH, "shuffle": False, "verbose": 0}
    model.fit(x, LABELS, callbacks=list(callbacks), **options)


def norms_by_hand(model, x):
    """The norms of the gradients of four steps, which the model makes without a recorder.

    Not compiled, as each step is computed twice, here and in the model.
    """
    norms = []
    model(x[:1])
    for step in range(STEPS):
        part = slice(step * BATCH, (step + 1) * BATCH)
        statistics = [np.array(keras.ops.convert_to_numpy(v.value)) for v in model.variables]
        gradients = gradients_by_hand(model, x[part], LABELS[part])
        for variable, value in zip(model.variables, statistics, strict=True):
            variable.assign(value)
        arrays = [np.array(keras.ops.convert_to_numpy(g), float) for g in gradients]
        paths = [variable.path for variable in model.trainable_variables]
        norms.append(dict(zip(paths, map(np.linalg.norm, arrays), strict=True)))
        model.train_on_batch(x[part], LABELS[part])
    return norms


def assert_recorded(folder, build, **options):
    x = images_for(build)
    monitored = made(build, **options_of(options))
    fit(monitored, x, GradientRecorder(folder))
    run = load_run(folder)
    np.testing.assert_array_equal(run.steps, np.arange(STEPS))
    eagerly = {"steps_per_execution": 1, "jit_compile": False, "run_eagerly": True}
    unmonitored = made(build, **options_of(options, **eagerly))
    assert_equal_norms(run, norms_by_hand(unmonitored, x))
    # As `fit` does in the end.
    unmonitored.optimizer.finalize_variable_values(unmonitored.trainable_variables)
    for expected, found in zip(unmonitored.get_weights(), monitored.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    return run


def assert_equal_norms(run, by_hand):
    for step, norms in enumerate(by_hand):
        found = dict(zip(run.weights["path"], run.grad_norm[step], strict=True))
        assert found == pytest.approx(norms, rel=1e-5, abs=1e-7), step


def options_of(options, **others):
    made_new = {"optimizer": options["optimizer"]()} if "optimizer" in options else {}
    return options | others | made_new


LARGE = {"some apart": 40, "all joined": 2**30, "all apart": 1}
SIZES = tuple(LARGE) if BACKEND == "tensorflow" else ("all joined",)


@pytest.fixture(params=quick(SIZES[:1], SIZES))
def sizes(request, monkeypatch):
    """On TensorFlow some weights are measured where they lie."""
    from keraskip.callbacks.step import apart

    monkeypatch.setattr(apart, "LARGE", LARGE[request.param])


@pytest.mark.usefixtures("sizes")
@pytest.mark.parametrize("build", quick(QUICK_MODELS, MODELS))
def test_models(tmp_path, build):
    run = assert_recorded(tmp_path, build)
    assert (run.grad_norm > 0).all()


@pytest.mark.parametrize("optimizer", quick(QUICK, OPTIMIZERS))
def test_optimizers(tmp_path, optimizer):
    kind = getattr(keras.optimizers, optimizer)
    fit(made(dense, kind()), NUMBERS, GradientRecorder(tmp_path))
    run = load_run(tmp_path)
    # Uncompiled, Keras 3.15's ScheduleFreeAdamW takes other steps.
    eagerly = optimizer != "ScheduleFreeAdamW"
    by_hand = norms_by_hand(made(dense, kind(), run_eagerly=eagerly), NUMBERS)
    assert_equal_norms(run, by_hand)
    assert (run.update_norm > 0).all()


def test_the_list_has_all_optimizers():
    kinds = [
        name
        for name, kind in vars(keras.optimizers).items()
        if isinstance(kind, type) and issubclass(kind, keras.optimizers.Optimizer)
    ]
    combining = {"Optimizer", "LossScaleOptimizer", "MultiOptimizer"}
    assert set(kinds) - combining == set(OPTIMIZERS)


@pytest.mark.usefixtures("sizes")
@pytest.mark.parametrize("setting", quick(QUICK_SETTINGS, SETTINGS))
def test_settings(tmp_path, setting):
    run = assert_recorded(tmp_path, dense, **SETTINGS[setting])
    updates = 1 if setting == "accumulation" else STEPS
    # Steps that only accumulate have no update.
    assert np.isnan(run.update_norm[: STEPS - updates]).all()
    assert (run.update_norm[STEPS - updates :] > 0).all()
    assert (run.frozen[STEPS - updates :] < 1).all()
