"""What TensorBoard itself reads from the recorder's event files."""

import threading

import keras
import numpy as np
import pytest
from keras import layers
from quiet import GradientRecorder
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from keraskip import load_run

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.normal(size=(60, 5)).astype("float32")
LABELS = RANDOM.normal(size=(60, 2)).astype("float32")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    keras.utils.set_random_seed(0)
    model = keras.Sequential([layers.Input((5,)), layers.Dense(7, "tanh"), layers.Dense(2)])
    model.compile("sgd", "mse")
    for epochs in 1, 2:  # The second run replaces the first.
        recorder = GradientRecorder(folder, tensorboard=True, overwrite=True)
        model.fit(IMAGES, LABELS, batch_size=10, epochs=epochs, verbose=0, callbacks=[recorder])
    return folder


@pytest.fixture(scope="module")
def shown(folder):
    accumulator = EventAccumulator(str(folder / "tensorboard"), {"tensors": 0})
    accumulator.Reload()
    return accumulator


def tensors(shown, tag):
    events = shown.Tensors(tag)
    return [event.step for event in events], [make_ndarray(event.tensor_proto) for event in events]


@pytest.mark.parametrize("statistic", ["grad_norm", "update_norm"])
def test_curves_are_the_record(folder, shown, statistic):
    run = load_run(folder)
    for place, path in enumerate(run.weights["path"]):
        steps, values = tensors(shown, f"{statistic}/{path}")
        assert steps == list(range(12))
        np.testing.assert_array_equal(values, run.statistics[statistic][:, place])


def test_histograms_count_the_elements(folder, shown):
    run = load_run(folder)
    for place, path in enumerate(run.weights["path"]):
        steps, histograms = tensors(shown, f"log10_gradient/{path}")
        assert steps[-1] == 11
        lower, upper, counts = histograms[-1].T
        np.testing.assert_array_equal(lower[1:], upper[:-1])
        assert counts.sum() == pytest.approx(run.weights["size"][place], rel=1e-5)
        # Where the mass is, is the size of the gradient.
        rms = run.grad_norm[-1, place] / np.sqrt(run.weights["size"][place])
        assert lower[counts.argmax()] == pytest.approx(np.log10(rms), abs=1.5)


def test_plugins_claim_the_tags(shown):
    kinds = {
        tag: shown.SummaryMetadata(tag).plugin_data.plugin_name for tag in shown.Tags()["tensors"]
    }
    assert {kind for tag, kind in kinds.items() if tag.startswith("grad_norm/")} == {"scalars"}
    assert {kind for tag, kind in kinds.items() if tag.startswith("log10")} == {"histograms"}


def test_the_last_step_that_has_a_gradient_gives_the_histogram(tmp_path):
    model = keras.Sequential([layers.Input((5,)), layers.Dense(2)])
    model.compile(keras.optimizers.SGD(gradient_accumulation_steps=4), "mse")
    before = set(threading.enumerate())
    recorder = GradientRecorder(tmp_path, tensorboard=True, kind="effective")
    model.fit(IMAGES, LABELS, batch_size=10, verbose=0, callbacks=[recorder])
    assert set(threading.enumerate()) <= before
    accumulator = EventAccumulator(str(tmp_path / "tensorboard"), {"tensors": 0})
    accumulator.Reload()
    (path,) = [p for p in load_run(tmp_path).weights["path"] if p.endswith("kernel")]
    _, histograms = tensors(accumulator, f"log10_gradient/{path}")
    assert histograms[-1][:, 2].sum() == pytest.approx(10)
