"""What others save while the recorder is at work, and a disk that fills up."""

import resource
import warnings

import keras
import numpy as np
import pytest
from keras import layers
from quiet import GradientRecorder
from uncompiled import UNCOMPILED

from keraskip import load_run

BACKEND = keras.backend.backend()
needs_tensorflow = pytest.mark.skipif(BACKEND != "tensorflow", reason="as SavedModel")
RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.normal(size=(24, 6)).astype("float32")
LABELS = RANDOM.integers(0, 3, 24)


def network():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            layers.Input((6,)),
            layers.Dense(8, name="first"),
            layers.BatchNormalization(name="norm"),
            layers.Dense(3, "softmax", name="last"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", **UNCOMPILED)
    return model


def fit(model, *callbacks, **options):
    options = {"batch_size": 8, "epochs": 3, "shuffle": False, "verbose": 0, **options}
    return model.fit(IMAGES, LABELS, callbacks=list(callbacks), **options)


class Save(keras.callbacks.Callback):
    """Saves in the middle of an epoch, and after it."""

    def __init__(self, save):
        super().__init__()
        self.save = save

    def on_train_batch_end(self, batch, logs=None):
        if batch == 1:
            self.save(self.model)

    def on_epoch_end(self, epoch, logs=None):
        self.save(self.model)


def assert_equal(found, expected):
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def state_of(file):
    """All that a saved model loads, weights and optimizer; a warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = keras.models.load_model(file)
    return [*model.get_weights(), *(np.array(variable) for variable in model.optimizer.variables)]


@pytest.mark.slow
def test_models_saved_during_training(tmp_path):
    states = []
    for monitors in [], [GradientRecorder(tmp_path / "run")]:
        file = tmp_path / f"{len(monitors)}.keras"
        fit(network(), Save(lambda model, file=file: model.save(file)), *monitors)
        states.append(state_of(file))
    assert_equal(*states)


@pytest.mark.slow
@needs_tensorflow
@pytest.mark.filterwarnings("ignore:.*np.object:FutureWarning")
def test_models_exported_during_training(tmp_path):
    import tensorflow as tf

    found = []
    for monitors in [], [GradientRecorder(tmp_path / "run")]:
        folder = str(tmp_path / f"exported{len(monitors)}")
        fit(
            network(),
            Save(lambda model, folder=folder: model.export(folder, verbose=False)),
            *monitors,
        )
        loaded = tf.saved_model.load(folder)
        names = {tuple(variable.shape) for variable in loaded.variables}
        found.append((len(loaded.variables), names, loaded.serve(IMAGES).numpy()))
    assert found[0][:2] == found[1][:2]
    np.testing.assert_allclose(found[0][2], found[1][2], rtol=1e-3, atol=1e-5)


class Fail(keras.callbacks.Callback):
    """Interrupts the third epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_a_backup_is_restored_without_the_recorder(tmp_path):
    weights = []
    for monitors in [], [GradientRecorder(tmp_path / "run")]:
        folder = tmp_path / f"backup{len(monitors)}"
        with pytest.raises(KeyboardInterrupt):
            fit(network(), keras.callbacks.BackupAndRestore(folder), *monitors, Fail())
        model = network()
        fit(model, keras.callbacks.BackupAndRestore(folder))
        assert model.optimizer.iterations == 9
        weights.append(model.get_weights())
    assert_equal(*weights)


@pytest.mark.slow
def test_a_backup_is_restored_with_the_recorder(tmp_path):
    folder, runs = tmp_path / "backup", [tmp_path / "first", tmp_path / "second"]
    backup = keras.callbacks.BackupAndRestore(folder)
    with pytest.raises(KeyboardInterrupt):
        fit(network(), backup, GradientRecorder(runs[0]), Fail())
    model = network()
    fit(model, keras.callbacks.BackupAndRestore(folder), GradientRecorder(runs[1]))
    expected = network()
    fit(expected)
    assert_equal(model.get_weights(), expected.get_weights())
    assert [len(load_run(run).steps) for run in runs] == [6, 3]


@pytest.fixture
def small_disk():
    """A limit for the size of each file, at which writing fails as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("tensorboard", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_full_disk_ends_the_record_alone(tmp_path, small_disk, tensorboard):
    class Fill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                written = (tmp_path / "steps.arrow").stat().st_size
                small_disk(written + 100)

    model = network()
    with pytest.warns(UserWarning, match="has stopped, training goes on") as caught:
        history = fit(model, GradientRecorder(tmp_path, tensorboard=tensorboard), Fill(), epochs=4)
    assert len([one for one in caught if "has stopped" in str(one.message)]) == 1
    assert len(history.history["loss"]) == 4
    run = load_run(tmp_path)
    assert run.truncated
    assert run.steps.tolist() == list(range(6))
    assert len(run.epochs) == 2
