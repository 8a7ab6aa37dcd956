"""Trainings that break off, and trainings that are started again."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count, product

import keras
import numpy as np
import pytest
from keras import layers
from quiet import GradientRecorder
from test_recorder import assert_unmonitored
from uncompiled import UNCOMPILED

from keraskip import load_run
from keraskip.runs import claimed

STEPS, EPOCHS = 2, 3
RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.normal(size=(8 * STEPS, 4)).astype("float32")
TARGETS = RANDOM.normal(size=(8 * STEPS, 1)).astype("float32")
beside = pytest.mark.filterwarnings("ignore:.* holds an earlier run")


def network(**way):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([layers.Input((4,)), layers.Dense(5, "tanh"), layers.Dense(1)])
    model.compile("sgd", "mse", **(way or UNCOMPILED))
    return model


def fit(model, *callbacks, **options):
    options = {"epochs": EPOCHS, "batch_size": 8, "shuffle": False, "verbose": 0, **options}
    return model.fit(IMAGES, TARGETS, callbacks=list(callbacks), **options)


class StopAt(keras.callbacks.Callback):
    """Raises at the n-th call of one of its methods."""

    def __init__(self, method, number, error=KeyboardInterrupt):
        super().__init__()
        self._left = number
        setattr(self, method, self._count)
        self._error = error

    def _count(self, *args, **kwargs):
        if self._left == 0:
            raise self._error
        self._left -= 1


# Broken off


MOMENTS = [
    ("on_epoch_begin", 1, 2),
    ("on_train_batch_begin", 3, 3),
    ("on_train_batch_end", 2, 3),
    ("on_epoch_end", 1, 4),
    ("on_test_batch_begin", 0, 2),
    ("on_train_end", 0, 6),
]
SLOW = pytest.mark.slow
ERRORS = list(product([True, False], [KeyboardInterrupt, OSError]))
# Every other moment once, with another order or another error each time.
STOPS = [
    pytest.param(
        *moment,
        *error,
        marks=() if (row - column) % len(ERRORS) == 0 and row % 2 == 0 else SLOW,
        id=f"{moment[0]}-{'before' if error[0] else 'after'}-{error[1].__name__}",
    )
    for row, moment in enumerate(MOMENTS)
    for column, error in enumerate(ERRORS)
]


@pytest.mark.parametrize(("method", "number", "steps", "first", "error"), STOPS)
def test_an_exception_in_another_callback(tmp_path, method, number, steps, first, error):
    model, recorder = network(), GradientRecorder(tmp_path)
    callbacks = [recorder, StopAt(method, number, error)]
    with pytest.raises(error):
        fit(model, *callbacks[:: -1 if first else 1], validation_data=(IMAGES, TARGETS))
    run = load_run(tmp_path)
    assert run.steps.tolist() == list(range(steps))
    ended = method == "on_train_end" and not first
    assert run.info["status"] == ("finished" if ended else "interrupted")
    assert_unmonitored(model)
    fit(model, recorder, epochs=1)
    run = load_run(tmp_path)
    assert run.steps.tolist() == list(range(steps + STEPS))
    assert run.info["labels"][0]["count"] == 8 * len(run.steps)
    assert run.info["status"] == "finished"


def test_an_exception_of_the_data(tmp_path):
    def batches():
        yield IMAGES[:8], TARGETS[:8]
        yield IMAGES[:8], TARGETS[:8]
        raise RuntimeError("no more data")

    with pytest.raises(Exception, match="no more data"):
        network().fit(batches(), shuffle=False, verbose=0, callbacks=[GradientRecorder(tmp_path)])
    run = load_run(tmp_path)
    assert run.steps.tolist() == [0, 1]
    assert run.info["status"] == "interrupted"


def interrupt(delay, is_over):
    """Again and again, as Python drops an exception that is raised while it frees an object."""
    while not is_over.wait(delay):
        signal.raise_signal(signal.SIGINT)
        delay = 60


def has_lost_weights(model):
    """Whether an interrupt has left a model without weights.

    On JAX Keras takes them out of the model for each step, and an interrupt inside of a step loses
    them, recorded or not.
    """
    values = [variable._value for variable in model.variables + model.optimizer.variables]
    return any(value is None or getattr(value, "is_deleted", bool)() for value in values)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # see `interrupt`
def test_interrupts_at_any_moment(tmp_path):
    """By a timer: each leaves a whole record and a model that can be trained."""
    ended, random = [], np.random.default_rng(0)
    model = network(run_eagerly=False)
    for number in count():
        if len(ended) == 50:
            break
        if has_lost_weights(model):
            model = network(run_eagerly=False)
        # Later and later, as a slow machine has not begun to train by then.
        delay = random.uniform(0, 0.4 + number / 100)
        recorder = GradientRecorder(tmp_path / str(number))
        is_over = threading.Event()
        try:
            threading.Thread(target=interrupt, args=(delay, is_over)).start()
            fit(model, recorder, epochs=10_000)
        except (KeyboardInterrupt, SystemError):  # as TensorFlow's own code passes it on
            is_over.set()
        if not recorder.run_dir.exists():  # the first epoch had not begun
            continue
        run = load_run(recorder.run_dir)
        np.testing.assert_array_equal(run.steps, np.arange(len(run.steps)))
        ended.append(run.info["status"])
        assert_unmonitored(model)
        if not has_lost_weights(model):
            fit(model, recorder, epochs=1)
            assert len(load_run(recorder.run_dir).steps) == len(run.steps) + STEPS
    assert set(ended) == {"interrupted"}


def test_an_interrupt_while_the_run_begins(tmp_path, monkeypatch):
    """Its folder is free again, and the next training takes it."""
    model, recorder = network(), GradientRecorder(tmp_path / "run")

    def broken_off(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("keraskip.callbacks.book.journal.RunWriter", broken_off)
        with pytest.raises(KeyboardInterrupt):
            fit(model, recorder, epochs=1)
    assert os.listdir(tmp_path) == []
    assert_unmonitored(model)
    fit(model, recorder, epochs=1)
    assert os.listdir(tmp_path) == ["run"]
    assert len(load_run(tmp_path / "run").steps) == STEPS


# Started again


def assert_labels_of(run, epochs):
    """The labels of this many whole epochs, each counted once."""
    (labels,) = run.info["labels"]
    assert labels["count"] == epochs * len(TARGETS)
    np.testing.assert_allclose(labels["mean"], TARGETS.mean(), rtol=1e-4)
    np.testing.assert_allclose(labels["variance"], TARGETS.var(), rtol=1e-4)


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(True, id="backup first", marks=pytest.mark.slow),
        pytest.param(False, id="recorder first"),
    ],
)
def test_a_backup_that_is_restored(tmp_path, first):
    def train(*more):
        callbacks = [
            keras.callbacks.BackupAndRestore(tmp_path / "backup"),
            GradientRecorder(tmp_path / "run"),
        ]
        return fit(network(), *callbacks[:: 1 if first else -1], *more)

    with pytest.raises(RuntimeError):
        train(StopAt("on_train_batch_end", 2 * STEPS, RuntimeError))
    train()
    run = load_run(tmp_path / "run")
    assert run.steps.tolist() == list(range(STEPS * EPOCHS))
    assert run.epochs["epoch"].tolist() == list(range(EPOCHS))
    whole = GradientRecorder(tmp_path / "whole")
    fit(network(), whole)
    expected = load_run(tmp_path / "whole")
    np.testing.assert_allclose(run.grad_norm, expected.grad_norm, rtol=1e-5)
    assert_labels_of(run, EPOCHS)
    assert not (tmp_path / "run-2").exists()


KILLED = """
import os, signal, sys
sys.path.insert(0, {tests!r})
import keras
from keraskip import GradientRecorder
from test_recorder_restarts import STEPS, StopAt, fit, network

class Kill(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if self.model.optimizer.iterations == 2 * STEPS + 1:
            os.kill(os.getpid(), signal.SIGKILL)

backup = keras.callbacks.BackupAndRestore(sys.argv[1] + "/backup")
fit(network(), backup, GradientRecorder(sys.argv[1] + "/run"), *[Kill()] * (sys.argv[2] == "kill"))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_process_that_is_killed_and_started_again(tmp_path):
    code = KILLED.format(tests=os.path.dirname(__file__))
    for way, status in (("kill", -signal.SIGKILL), ("go on", 0)):
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path), way])
        assert done.returncode == status
    run = load_run(tmp_path / "run")
    assert run.steps.tolist() == list(range(STEPS * EPOCHS))
    assert run.epochs["epoch"].tolist() == list(range(EPOCHS))
    assert run.info["status"] == "finished"


LEFT = """
import sys, threading
sys.path.insert(0, {tests!r})
import keras
from keraskip import GradientRecorder
from test_recorder_restarts import fit, network

is_there = threading.Event()

class Wait(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if self.model.optimizer.iterations == 3:
            is_there.set()
            threading.Event().wait()

recorder = GradientRecorder(sys.argv[1])
threading.Thread(target=fit, args=(network(), recorder, Wait()), daemon=True).start()
is_there.wait()
"""


@pytest.mark.slow
def test_a_process_that_ends_in_the_middle_of_a_training(tmp_path):
    code = LEFT.format(tests=os.path.dirname(__file__))
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)]).returncode == 0
    run = load_run(tmp_path)
    assert run.steps.tolist() == [0, 1, 2]
    assert run.info["status"] == "interrupted"


def test_fit_that_begins_with_a_later_epoch_goes_on(tmp_path):
    model = network()
    fit(model, GradientRecorder(tmp_path), epochs=2)
    fit(model, GradientRecorder(tmp_path), epochs=EPOCHS, initial_epoch=2)
    run = load_run(tmp_path)
    assert run.steps.tolist() == list(range(STEPS * EPOCHS))
    assert [note["epoch"] for note in run.info["resumed"]] == [2]
    assert_labels_of(run, EPOCHS)


@pytest.mark.slow
def test_a_finished_run_is_not_cut(tmp_path):
    folder = tmp_path / "run"
    fit(network(), GradientRecorder(folder))
    recorder = GradientRecorder(folder)
    with pytest.warns(UserWarning, match=r"run holds an earlier run.*recorded in .*run-2"):
        fit(network(), recorder, initial_epoch=2)
    assert recorder.run_dir == tmp_path / "run-2"
    assert len(load_run(folder).steps) == STEPS * EPOCHS
    assert len(load_run(tmp_path / "run-2").steps) == STEPS * (EPOCHS - 2)


@beside
def test_nothing_recorded_is_lost_by_starting_again(tmp_path):
    for rate in 0.1, 0.01, 0.001:
        model = network()
        model.optimizer.learning_rate = rate
        fit(model, GradientRecorder(tmp_path / "run"), epochs=1)
    assert sorted(os.listdir(tmp_path)) == ["run", "run-2", "run-3"]
    assert all(len(load_run(folder).steps) == STEPS for folder in tmp_path.iterdir())


@beside
def test_the_last_run_goes_on(tmp_path):
    fit(network(), GradientRecorder(tmp_path / "run"))
    model = network()
    with pytest.raises(KeyboardInterrupt):
        fit(model, GradientRecorder(tmp_path / "run"), StopAt("on_epoch_begin", 2))
    fit(model, GradientRecorder(tmp_path / "run"), initial_epoch=2)
    assert sorted(os.listdir(tmp_path)) == ["run", "run-2"]
    assert len(load_run(tmp_path / "run-2").steps) == STEPS * EPOCHS


@pytest.mark.slow
@beside
def test_each_of_several_models_goes_on_with_its_own_run(tmp_path):
    models = network(), network()
    models[1].layers[0].kernel.assign(models[1].layers[0].kernel + 0.1)
    for model in models:
        fit(model, GradientRecorder(tmp_path / "run"), epochs=2)
    for model in models:
        fit(model, GradientRecorder(tmp_path / "run"), initial_epoch=2)
    assert sorted(os.listdir(tmp_path)) == ["run", "run-2"]
    for folder in tmp_path.iterdir():
        assert len(load_run(folder).steps) == STEPS * EPOCHS


@beside
@pytest.mark.parametrize(
    "change",
    [
        "weights",
        *(pytest.param(c, marks=pytest.mark.slow) for c in ("epoch", "kind", "statistics")),
    ],
)
def test_another_training_does_not_go_on_with_the_run(tmp_path, change):
    """As in Hyperband, which lets each of several models go on with a later epoch."""
    model = network()
    with pytest.raises(KeyboardInterrupt):
        fit(model, GradientRecorder(tmp_path / "run"), StopAt("on_epoch_begin", 2))
    before = load_run(tmp_path / "run").steps
    more = {"kind": {"kind": "effective"}, "statistics": {"statistics": ["zeros"]}}
    if change == "weights":
        model.layers[0].kernel.assign(model.layers[0].kernel + 1e-3)
    recorder = GradientRecorder(tmp_path / "run", **more.get(change, {}))
    fit(model, recorder, initial_epoch=1 if change == "epoch" else 2)
    assert recorder.run_dir == tmp_path / "run-2"
    np.testing.assert_array_equal(load_run(tmp_path / "run").steps, before)


def test_two_trainings_never_write_into_one_folder(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(claimed, [tmp_path / "run"] * 8))
    assert len(set(folders)) == 8
    assert tmp_path / "run" in folders


def test_layers_that_are_frozen_begin_another_phase(tmp_path):
    model, recorder = network(), GradientRecorder(tmp_path / "run")
    model.layers[0].trainable = False
    model.compile("sgd", "mse", **UNCOMPILED)
    fit(model, recorder, epochs=2)
    model.layers[0].trainable = True
    model.compile("sgd", "mse", **UNCOMPILED)
    model.fit(IMAGES, TARGETS + 9, callbacks=[recorder], epochs=EPOCHS, initial_epoch=2,
              batch_size=8, shuffle=False, verbose=0)  # fmt: skip
    head, whole = load_run(tmp_path / "run"), load_run(tmp_path / "run-2")
    assert len(head.weights) == 2
    assert len(whole.weights) == 4
    assert whole.info["phase_of"] == "run"
    assert whole.steps.tolist() == list(range(2 * STEPS, EPOCHS * STEPS))
    assert recorder.run_dir == tmp_path / "run-2"
    # Also where the run goes on.
    means = [run.info["labels"][0]["mean"] for run in (head, whole)]
    assert means == pytest.approx([TARGETS.mean(), TARGETS.mean() + 9], rel=1e-3)
    ends = whole.info["labels_after"]
    assert [end["steps"] for end in ends] == [STEPS]


@pytest.mark.slow
@beside
@pytest.mark.filterwarnings("ignore:(currentThread|getName):DeprecationWarning")  # of KerasTuner
def test_a_search_over_settings_keeps_every_run(tmp_path):
    tuner_of = pytest.importorskip("keras_tuner", reason="a test of KerasTuner")

    def build(settings):
        model = network()
        model.optimizer.learning_rate = settings.Choice("rate", [0.1, 0.01, 0.001])
        return model

    tuner = tuner_of.GridSearch(build, "val_loss", directory=tmp_path, project_name="search")
    recorder = GradientRecorder(tmp_path / "run")
    options = {"validation_data": (IMAGES, TARGETS), "batch_size": 8, "verbose": 0}
    tuner.search(IMAGES, TARGETS, callbacks=[recorder], **options)
    folders = ["run", "run-2", "run-3"]
    assert [len(load_run(tmp_path / folder).steps) for folder in folders] == [STEPS] * 3
