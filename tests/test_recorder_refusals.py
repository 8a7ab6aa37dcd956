"""What a recorder says where it cannot record: one sentence, and training stays as it was."""

import pickle
from pathlib import Path

import keras
import numpy as np
import pytest
import test_recorder_loop as loop
from keras import layers, ops
from quiet import GradientRecorder
from test_recorder import assert_unmonitored, batches, compiled, fit
from test_recorder import tiny as compiled_tiny
from uncompiled import UNCOMPILED

from keraskip import load_run
from keraskip.callbacks.hook.recorded_weights import recorded_weights

BACKEND = keras.backend.backend()
STEPS = 2
FULL = Path("/dev/full")


def tiny():
    return compiled_tiny(**UNCOMPILED)


def deferred():
    """Has no weights before its first step."""
    stack = [layers.Flatten(), layers.Dense(10, "softmax")]
    return keras.Sequential(stack, name="deferred")


class Careless(keras.Model):
    """Has a training step that calls no optimizer."""

    def __init__(self):
        super().__init__()
        self.head = layers.Dense(1)

    def call(self, x):
        return self.head(ops.reshape(x, (-1, 64)))

    def train_step(self, *args):
        if BACKEND == "jax":
            return {"loss": ops.zeros(())}, args[0]
        return {"loss": ops.mean(self(args[0][0]))}


class Act(keras.callbacks.Callback):
    """Does something at the beginning of an epoch."""

    def __init__(self, act, epoch=0):
        super().__init__()
        self.act, self.epoch = act, epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            self.act(self.model)


# Arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"run_dir": None}, "run_dir must be the path of a folder. Received: run_dir=None"),
        ({"run_dir": ""}, "run_dir must be the path of a folder. Received: run_dir=''"),
        ({"info": ["a"]}, "info must be a dictionary. Received: info=.'a'."),
        ({"info": {"rate": np.float32(1)}}, "values that JSON has: .*float32.*Received: 'rate'"),
        ({"info": {"rate": float("nan")}}, "values that JSON has: .*Received: 'rate': nan"),
    ],
    ids=str,
)
def test_arguments_that_cannot_be_written(arguments, message):
    with pytest.raises(TypeError, match=message):
        GradientRecorder(**{"run_dir": "runs/none", **arguments})


def test_a_statistic_that_does_not_exist():
    with pytest.raises(ValueError, match=r"statistics must be one of .*Received: statistics='no'"):
        GradientRecorder("runs/none", statistics=["no"])


def test_a_recorder_is_pickled_before_training(tmp_path):
    recorder = pickle.loads(pickle.dumps(GradientRecorder(tmp_path, every=2)))
    fit(tiny(), batches(3), recorder)
    assert load_run(tmp_path).steps.tolist() == [0, 2]


# Weights


def test_a_model_without_weights():
    with pytest.raises(ValueError, match=r"or build it. Received: .*'deferred'"):
        recorded_weights(deferred())


def test_a_loop_for_a_frozen_model(tmp_path):
    model = tiny()
    model.trainable = False
    message = r"set `trainable = True` .*Received: model 'tiny', all layers frozen"
    with pytest.raises(ValueError, match=message), GradientRecorder(tmp_path).recording(model):
        pass
    assert_unmonitored(model)


# Keras says so, too.
@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
def test_a_frozen_model_that_has_no_weights_yet(tmp_path):
    model = deferred()
    model.trainable = False
    with pytest.warns(UserWarning, match="all layers of the model are frozen"):
        fit(compiled(model), batches(STEPS), GradientRecorder(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


# Optimizers


def test_an_optimizer_that_is_not_built(tmp_path):
    model = loop.network()
    model.compile(keras.optimizers.Adam(0.01), "mse")
    loop.train(model, loop.STEP_MAKERS[0], GradientRecorder(tmp_path), steps=STEPS)
    assert load_run(tmp_path).steps.tolist() == list(range(STEPS))


def test_a_training_step_that_never_calls_the_optimizer(tmp_path):
    model = compiled(Careless())
    with pytest.warns(UserWarning, match="No step was recorded in this epoch") as told:
        fit(model, batches(STEPS), GradientRecorder(tmp_path / "run"), epochs=2)
    assert sum("No step" in str(warning.message) for warning in told) == 1
    assert_unmonitored(model)


@pytest.mark.skipif(BACKEND == "jax", reason="there Keras itself asks for an optimizer")
def test_a_model_without_optimizer(tmp_path):
    model = Careless()
    model.compile(None)
    with pytest.warns(UserWarning, match="Nothing is recorded: the model has no optimizer"):
        fit(model, batches(STEPS), GradientRecorder(tmp_path / "run"))
    assert not (tmp_path / "run").exists()
    assert "make_train_function" not in vars(model)


# Loops that call no `fit`, and steps that are made anew inside of it


def loop_with_callbacks(model, *callbacks):
    """A loop as it is written to save the callbacks of `fit`."""
    x, y = batches(1)
    callbacks = keras.callbacks.CallbackList(list(callbacks), model=model)
    callbacks.on_train_begin()
    for epoch in range(2):
        callbacks.on_epoch_begin(epoch)
        model.train_on_batch(x, y)
        callbacks.on_epoch_end(epoch)
    callbacks.on_train_end()


def test_a_loop_with_callbacks(tmp_path):
    model = tiny()
    with pytest.warns(UserWarning, match="A loop of your own records with .*recording") as told:
        loop_with_callbacks(model, GradientRecorder(tmp_path))
    assert sum("of your own" in str(warning.message) for warning in told) == 1
    assert_unmonitored(model)


def test_a_model_that_was_never_compiled(tmp_path):
    model = keras.Sequential([layers.Input((3,)), layers.Dense(1)])
    callbacks = keras.callbacks.CallbackList([GradientRecorder(tmp_path)], model=model)
    with pytest.warns(UserWarning, match="the model has no optimizer. Compile it with one"):
        callbacks.on_train_begin()
    callbacks.on_epoch_begin(0)
    callbacks.on_epoch_end(0)
    callbacks.on_train_end()


def test_a_single_batch_in_the_middle_of_fit(tmp_path):
    x, y = batches(1)
    single = Act(lambda model: model.train_on_batch(x, y), epoch=1)
    model = tiny()
    with pytest.warns(UserWarning, match="the training step was made anew, as .*train_on_batch"):
        fit(model, batches(STEPS), GradientRecorder(tmp_path), single, epochs=3)
    assert load_run(tmp_path).steps.tolist() == list(range(STEPS))
    assert_unmonitored(model)


# Several recorders, several models


def test_a_recorder_that_is_listed_twice(tmp_path):
    model, recorder = tiny(), GradientRecorder(tmp_path / "run")
    message = "one GradientRecorder at a time; .*Received: a second one for model 'tiny'"
    with pytest.raises(ValueError, match=message):
        fit(model, batches(STEPS), recorder, recorder)
    assert_unmonitored(model)


def test_a_recorder_for_a_model_of_the_same_kind(tmp_path):
    recorder, other = GradientRecorder(tmp_path), tiny()
    fit(tiny(), batches(STEPS), recorder)
    with pytest.raises(ValueError, match=r"for another model make .*Received: model 'tiny'"):
        fit(other, batches(STEPS), recorder)
    assert load_run(tmp_path).steps.tolist() == list(range(STEPS))
    assert_unmonitored(other)


def test_a_recorder_for_a_model_inside_the_training_of_another(tmp_path):
    recorder, model, other = GradientRecorder(tmp_path), tiny(), tiny()
    inner = Act(lambda _: fit(other, batches(STEPS), recorder), epoch=1)
    with pytest.raises(ValueError, match="for another model make a new one"):
        fit(model, batches(STEPS), recorder, inner, epochs=2)
    run = load_run(tmp_path)
    assert (run.steps.tolist(), run.info["status"]) == (list(range(STEPS)), "interrupted")
    for each in model, other:
        assert_unmonitored(each)


# The disk


@pytest.mark.skipif(not FULL.exists(), reason="there is no file that is always full")
def test_a_full_disk_before_training(tmp_path):
    model, folder = tiny(), tmp_path / "run"
    folder.mkdir()
    (folder / ".steps.arrow.draft").symlink_to(FULL)
    message = f"A run cannot be written to this folder: No space left on device: '{folder}'"
    with pytest.raises(OSError, match=message):
        fit(model, batches(STEPS), GradientRecorder(folder, overwrite=True))
    assert not folder.exists()
    assert_unmonitored(model)
    fit(model, batches(STEPS))


def test_a_file_in_place_of_the_folder(tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(FileExistsError, match=f"A run cannot be written to .*'{file}'"):
        fit(tiny(), batches(STEPS), GradientRecorder(file))
    assert file.read_text() == "mine"


def test_a_disk_that_fills_up_during_training(tmp_path):
    """Rows that fit only in part are not read."""
    resource = pytest.importorskip("resource", reason="the size of files has no limit here")
    before, limits = resource.getrlimit(resource.RLIMIT_FSIZE), []

    def fill(_):
        limits.append((tmp_path / "steps.arrow").stat().st_size + 64)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limits[0], before[1]))

    callbacks = GradientRecorder(tmp_path), Act(fill, epoch=1)
    try:
        with pytest.warns(UserWarning, match=f"Recording to {tmp_path} has stopped, .*too large"):
            history = fit(tiny(), batches(STEPS), *callbacks, epochs=3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(history.history["grad_norm"]) == 3
    assert [(tmp_path / "steps.arrow").stat().st_size] == limits
    assert load_run(tmp_path).steps.tolist() == list(range(STEPS))
