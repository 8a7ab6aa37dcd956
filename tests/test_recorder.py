"""The recorder: true numbers, of every step, and training that does not notice it."""

import os
import shutil
import signal
import subprocess
import sys
import warnings
from math import prod

import keras
import numpy as np
import pytest
from by_hand import gradients_by_hand
from keras import layers
from quiet import GradientRecorder
from uncompiled import UNCOMPILED

from keraskip import build_resnet, load_run
from keraskip.callbacks.hook.recorded_weights import recorded_weights

BACKEND = keras.backend.backend()
SHAPE = (8, 8, 1)
needs_tensorflow = pytest.mark.skipif(BACKEND != "tensorflow", reason="asks TensorFlow")


def batches(steps, size=8):
    random = np.random.default_rng(1)
    x = random.normal(size=(steps * size, *SHAPE)).astype("float32")
    return x, random.integers(0, 10, steps * size)


def compiled(model, **options):
    optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
    model.compile(optimizer, "sparse_categorical_crossentropy", **options)
    return model


def resnet(**options):
    keras.utils.set_random_seed(0)
    # A block that keeps the shape and one that changes it.
    model = build_resnet(stage_blocks=(1, 1), filters=(8, 16), input_shape=SHAPE)
    return compiled(model, **options)


def tiny(**options):
    """The smallest network that has two layers."""
    keras.utils.set_random_seed(0)
    stack = [
        layers.Input(SHAPE),
        layers.Flatten(),
        layers.Dense(4, "tanh", name="first"),
        layers.Dense(10, "softmax", name="last"),
    ]
    return compiled(keras.Sequential(stack, name="tiny"), **options)


def fit(model, data, *callbacks, **options):
    x, y = data
    options = {"batch_size": 8, "shuffle": False, "verbose": 0, **options}
    return model.fit(x, y, callbacks=list(callbacks), **options)


def weights_of(model):
    return [keras.ops.convert_to_numpy(weight.value) for weight in model.variables]


def assert_unmonitored(model):
    assert not {"apply", "stateless_apply"} & set(vars(model.optimizer))
    assert "make_train_function" not in vars(model)
    step = model.train_function
    assert step is None or "_watched_step" not in getattr(step, "__qualname__", "")
    assert not any("gradient_" in v.path for v in model.optimizer.variables)


# The same gradient, outside `fit`


def arrays(tensors):
    return [np.array(keras.ops.convert_to_numpy(tensor), "float64") for tensor in tensors]


def trained_by_hand(model, x, y):
    """Path of each weight to its statistics in one step."""
    gradients = gradients_by_hand(model, x, y)
    grads, before = arrays(gradients), arrays(v.value for v in model.trainable_variables)
    model.optimizer.apply(gradients, model.trainable_variables)
    after = arrays(v.value for v in model.trainable_variables)
    paths = [variable.path for variable in model.trainable_variables]
    return {
        path: {
            "grad_norm": np.linalg.norm(grad),
            "grad_max": np.abs(grad).max(),
            "grad_nonfinite": 0,
            "weight_norm": np.linalg.norm(old),
            "update_norm": np.linalg.norm(new - old),
            "frozen": (old == new).mean(),
        }
        for path, grad, old, new in zip(paths, grads, before, after, strict=True)
    }


@pytest.mark.parametrize("build", [tiny, pytest.param(resnet, marks=pytest.mark.slow)])
def test_statistics_equal_those_of_the_gradient_outside_fit(tmp_path, build):
    x, y = batches(3)
    fit(build(), (x, y), GradientRecorder(tmp_path))
    run, model = load_run(tmp_path), build()
    assert set(run.weights["path"]) == {v.path for v in model.trainable_variables}
    for step in range(3):
        part = slice(8 * step, 8 * step + 8)
        exact = trained_by_hand(model, x[part], y[part])
        for column, path in enumerate(run.weights["path"]):
            found = {name: run.statistics[name][step, column] for name in run.statistics}
            # Batch normalisation amplifies rounding from step to step.
            assert found == pytest.approx(exact[path], rel=1e-5 * 10**step, abs=1e-7), path


# Training does not notice


def trained(recorder, **options):
    model = resnet(**options)
    fit(model, batches(10), *recorder, epochs=2)
    return weights_of(model)


@pytest.mark.slow  # half a minute of XLA
def test_training_is_bit_identical(tmp_path):
    options = {} if BACKEND == "torch" else {"jit_compile": True}
    without, recorded = (
        trained(recorder, **options) for recorder in ([], [GradientRecorder(tmp_path)])
    )
    assert len(without) == len(recorded)
    for expected, found in zip(without, recorded, strict=True):
        np.testing.assert_array_equal(found, expected)


def one_block():
    keras.utils.set_random_seed(0)
    return build_resnet(stage_blocks=(1,), filters=(4,), input_shape=SHAPE)


OPTIMIZERS = {
    "plain": {},
    "momentum": {"momentum": 0.9},
    "clipped": {"momentum": 0.9, "global_clipnorm": 0.5},
    "accumulating": {"gradient_accumulation_steps": 2},
}


def dense():
    keras.utils.set_random_seed(0)
    hidden = [layers.Dense(40, "relu"), layers.Dense(10, "softmax")]
    return keras.Sequential([layers.Input(SHAPE), layers.Flatten(), *hidden])


@needs_tensorflow
@pytest.mark.parametrize("build", [one_block, dense])
def test_default_graph_mode_is_bit_identical(tmp_path, build):
    """TensorFlow's graph optimizer must not notice a second reader of the gradients."""
    assert_bit_identical_in_graph_mode(tmp_path, build, OPTIMIZERS["clipped"])


@pytest.mark.slow
@needs_tensorflow
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_two_blocks_train_bit_identically(tmp_path, name):
    """The second one changes the shape."""
    assert_bit_identical_in_graph_mode(tmp_path, resnet, OPTIMIZERS[name])


@pytest.mark.slow
@needs_tensorflow
@pytest.mark.parametrize("name", ["clipped", pytest.param("momentum", marks=pytest.mark.slow)])
def test_a_large_weight_trains_bit_identically(tmp_path, name):
    """It is measured where it lies."""
    assert_bit_identical_in_graph_mode(tmp_path, wide, OPTIMIZERS[name])


def wide():
    keras.utils.set_random_seed(0)
    hidden = [layers.Dense(2**17 // prod(SHAPE), "relu"), layers.Dense(10, "softmax")]
    return keras.Sequential([layers.Input(SHAPE), layers.Flatten(), *hidden])


@needs_tensorflow
def test_clipping_in_a_step_of_ones_own_is_bit_identical(tmp_path):
    assert_bit_identical_in_graph_mode(tmp_path, clipping, {})


def clipping():
    import tensorflow as tf

    class Clipping(keras.Model):
        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                loss = self.compute_loss(x, y, self(x, training=True))
            gradients = tape.gradient(loss, self.trainable_variables)
            gradients, _ = tf.clip_by_global_norm(gradients, 0.5)
            self.optimizer.apply(gradients, self.trainable_variables)
            return {"loss": loss}

    model = tiny()
    return Clipping(model.inputs, model.outputs)


def assert_bit_identical_in_graph_mode(folder, build, options):
    found = []
    for recorder in [], [GradientRecorder(folder)]:
        model = build()
        optimizer = keras.optimizers.SGD(0.05, **options)
        model.compile(optimizer, "sparse_categorical_crossentropy", jit_compile=False)
        fit(model, batches(6), *recorder)
        found.append(weights_of(model))
    for expected, recorded in zip(*found, strict=True):
        np.testing.assert_array_equal(recorded, expected)


def test_nothing_is_left_behind(tmp_path):
    model = tiny(**UNCOMPILED)
    fit(model, batches(2), GradientRecorder(tmp_path))
    assert_unmonitored(model)
    status = load_run(tmp_path).info["status"]
    steps = (tmp_path / "steps.arrow").read_bytes()
    fit(model, batches(2))
    assert_unmonitored(model)
    assert status == load_run(tmp_path).info["status"] == "finished"
    assert (tmp_path / "steps.arrow").read_bytes() == steps


def test_the_step_from_before_is_brought_back(tmp_path):
    model = tiny()
    fit(model, batches(2))
    step = model.train_function
    fit(model, batches(2), GradientRecorder(tmp_path))
    assert model.train_function is step


# Every step


@pytest.mark.skipif(BACKEND == "torch", reason="Keras has no steps_per_execution on torch")
def test_steps_inside_one_execution(tmp_path):
    data = batches(10)
    fit(tiny(steps_per_execution=4), data, GradientRecorder(tmp_path / "four"), epochs=2)
    fit(tiny(), data, GradientRecorder(tmp_path / "one"), epochs=2)
    four, one = load_run(tmp_path / "four"), load_run(tmp_path / "one")
    np.testing.assert_array_equal(four.steps, np.arange(20))
    assert four.epochs["steps"].tolist() == [10, 20]
    np.testing.assert_allclose(four.grad_norm, one.grad_norm, rtol=1e-4)


def test_more_steps_than_the_buffer_holds(tmp_path):
    data, still = batches(70, size=2), tiny()
    still.optimizer.learning_rate = 0.0
    fit(still, data, GradientRecorder(tmp_path), batch_size=2)
    run, model = load_run(tmp_path), tiny()
    np.testing.assert_array_equal(run.steps, np.arange(70))
    assert len(np.unique(run.grad_norm[:, 0])) > 65
    paths = [variable.path for variable in model.trainable_variables]
    columns = [paths.index(path) for path in run.weights["path"]]
    for step in 0, 1, 62, 63, 64, 65, 69:
        part = slice(2 * step, 2 * step + 2)
        grads = arrays(gradients_by_hand(model, data[0][part], data[1][part]))
        norms = np.array([np.linalg.norm(grads[column]) for column in columns])
        np.testing.assert_allclose(run.grad_norm[step], norms, rtol=1e-4)


def test_second_fit_goes_on_and_a_new_recorder_replaces_where_asked(tmp_path):
    model = tiny(**UNCOMPILED)
    recorder = GradientRecorder(tmp_path, info={"note": "first"})
    fit(model, batches(3), recorder)
    fit(model, batches(2), recorder, epochs=2, initial_epoch=1)
    run = load_run(tmp_path)
    np.testing.assert_array_equal(run.steps, np.arange(5))
    assert run.epochs["steps"].tolist() == [3, 5]
    assert run.info["note"] == "first"
    fit(model, batches(1), GradientRecorder(tmp_path, overwrite=True))
    run = load_run(tmp_path)
    np.testing.assert_array_equal(run.steps, [0])
    assert "note" not in run.info


# When training breaks off


def breaking_off(bad_batch):
    """Five batches and then an error, in the generator or in the step."""
    x, y = batches(5)
    for step in range(5):
        yield x[8 * step : 8 * step + 8], y[8 * step : 8 * step + 8]
    if bad_batch:
        yield np.zeros((8, 8, 8, 3), "float32"), y[:8]
    raise RuntimeError("no more data")


@pytest.mark.parametrize(
    ("bad_batch", "way"),
    [
        pytest.param(False, UNCOMPILED, id="generator"),
        pytest.param(False, {}, id="generator, compiled", marks=pytest.mark.slow),
        pytest.param(True, {}, id="step"),
    ],
)
def test_exception(tmp_path, bad_batch, way):
    model, message = tiny(**way), "shape|no more data"
    options = {"shuffle": False, "verbose": 0, "callbacks": [GradientRecorder(tmp_path)]}
    with pytest.raises(Exception, match=message):
        model.fit(breaking_off(bad_batch), **options)
    if bad_batch or BACKEND == "tensorflow":
        # Elsewhere the generator runs outside the step, where the recorder does not see it.
        assert_unmonitored(model)
        assert load_run(tmp_path).info["status"] == "interrupted"
        np.testing.assert_array_equal(load_run(tmp_path).steps, np.arange(5))
    fit(model, batches(2))
    assert_unmonitored(model)
    assert len(load_run(tmp_path).steps) <= 5


class Interrupt(keras.callbacks.Callback):
    """The user, who presses Ctrl-C."""

    def on_train_batch_end(self, batch, logs=None):
        if batch == 3:
            raise KeyboardInterrupt


def test_interrupt_by_another_callback(tmp_path):
    model = tiny(**UNCOMPILED)
    with pytest.raises(KeyboardInterrupt):
        fit(model, batches(10), GradientRecorder(tmp_path), Interrupt())
    fit(model, batches(2))
    assert_unmonitored(model)
    # None of the second `fit`.
    assert len(load_run(tmp_path).steps) <= 4


def test_fit_with_the_same_recorder_after_an_interrupt(tmp_path):
    model, recorder = tiny(**UNCOMPILED), GradientRecorder(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        fit(model, batches(5), recorder, Interrupt())
    fit(model, batches(3), recorder)
    run = load_run(tmp_path)
    assert run.info["status"] == "finished"
    # The four steps before the interrupt and the three after it.
    np.testing.assert_array_equal(run.steps, np.arange(7))
    assert_unmonitored(model)


class Kill(keras.callbacks.Callback):
    """Kills its own process in the middle of the second epoch, as the system would."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (1, 9):
            os.kill(os.getpid(), signal.SIGKILL)


KILLED = """
import sys
sys.path.insert(0, {tests!r})
from test_recorder import GradientRecorder, Kill, batches, fit, tiny
fit(tiny(), batches(20), GradientRecorder(sys.argv[1]), Kill(), epochs=2)
"""


@pytest.mark.slow
def test_killed_run_is_readable(tmp_path):
    code = KILLED.format(tests=os.path.dirname(__file__))
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)])
    assert done.returncode == -signal.SIGKILL
    run = load_run(tmp_path)
    assert run.info["status"] == "running"
    assert len(run.epochs) == 1
    assert 20 <= len(run.steps) <= 30
    np.testing.assert_array_equal(run.steps, np.arange(len(run.steps)))


# Folders that cannot be written


def test_unwritable_folder_raises_before_training(tmp_path):
    (tmp_path / "file").write_text("")
    model = tiny()
    before = weights_of(model)
    with pytest.raises(OSError, match="file"):
        fit(model, batches(2), GradientRecorder(tmp_path / "file" / "run"))
    for expected, found in zip(before, weights_of(model), strict=False):
        np.testing.assert_array_equal(found, expected)
    assert_unmonitored(model)


class Remove(keras.callbacks.Callback):
    """Deletes the run folder at the end of the first epoch."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            shutil.rmtree(self.folder)


def test_deleted_folder_ends_the_record_alone(tmp_path):
    model, folder = tiny(**UNCOMPILED), tmp_path / "run"
    with pytest.warns(UserWarning, match="has stopped, training goes on") as caught:
        history = fit(model, batches(3), GradientRecorder(folder), Remove(folder), epochs=4)
    assert len([warning for warning in caught if "has stopped" in str(warning.message)]) == 1
    assert len(history.history["loss"]) == 4
    assert_unmonitored(model)


# Which weights, and what of them


def test_frozen_layer_is_not_recorded(tmp_path):
    model = tiny()
    model.get_layer("first").trainable = False
    fit(compiled(model, **UNCOMPILED), batches(2), GradientRecorder(tmp_path))
    assert load_run(tmp_path).weights["layer"].str.contains("last").all()


class Unused(layers.Layer):
    """Has a weight that the output does not depend on."""

    def build(self, shape):
        self.unused = self.add_weight(shape=(3, 2), name="unused")

    def call(self, x):
        return x


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.skipif(BACKEND == "jax", reason="JAX gives zeros for such a weight")
def test_weight_without_gradient_is_nan(tmp_path):
    stack = [layers.Input(SHAPE), layers.Flatten(), Unused(), layers.Dense(10, "softmax")]
    model = compiled(keras.Sequential(stack), **UNCOMPILED)
    fit(model, batches(2), GradientRecorder(tmp_path))
    run = load_run(tmp_path)
    unused = (run.weights["role"] == "unused").to_numpy()
    assert unused.sum() == 1
    assert np.isnan(run.grad_norm[:, unused]).all()
    assert np.isfinite(run.grad_norm[:, ~unused]).all()


@needs_tensorflow
def test_norms_are_not_loss_scaled(tmp_path):
    norms = {}
    for policy in "float32", "mixed_float16":
        keras.config.set_dtype_policy(policy)
        try:
            fit(resnet(**UNCOMPILED), batches(1), GradientRecorder(tmp_path / policy))
        finally:
            keras.config.set_dtype_policy("float32")
        norms[policy] = load_run(tmp_path / policy)
    ratio = norms["mixed_float16"].grad_norm[0] / norms["float32"].grad_norm[0]
    assert ((ratio > 0.5) & (ratio < 2)).all()


def test_checkpoint_during_recording_loads(tmp_path):
    model, file = tiny(), tmp_path / "model.keras"
    keeper = keras.callbacks.ModelCheckpoint(file)
    fit(model, batches(3), GradientRecorder(tmp_path / "run"), keeper, epochs=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = keras.models.load_model(file)
    assert len(loaded.optimizer.variables) == len(model.optimizer.variables)
    for expected, found in zip(weights_of(model), weights_of(loaded), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_depth_of_a_resnet_is_that_of_its_name():
    depths = [row["depth"] for row in recorded_weights(build_resnet(8, input_shape=SHAPE))[1]]
    assert depths[-1] == 8
    assert depths == sorted(depths)


def test_depth_of_a_sequential_model(tmp_path):
    fit(tiny(**UNCOMPILED), batches(1), GradientRecorder(tmp_path))
    run = load_run(tmp_path)
    assert run.info["depth_from"] == "graph"
    assert run.weights["depth"].tolist() == [1, 1, 2, 2]
