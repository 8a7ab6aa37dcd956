"""True is no number: whoever takes a number refuses it, before any work."""

import keras
import numpy as np
import pytest

from keraskip import Artefact, Preprocessing, export_savedmodel, run_study
from keraskip.cli.studies import _setting
from keraskip.data import load_data
from keraskip.data.batches import Batches
from keraskip.study import Trial, named_study, on_ray, side_by_side
from keraskip.study.devices import Setup
from keraskip.study.launchers import launcher_for
from keraskip.study.trial import with_seeds

TRIAL = Trial("plain8", "plain", {"depth": 8})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", True),
        ("batch_size", True),
        ("image_size", True),
        ("seed", True),
        ("learning_rate", True),
        ("momentum", False),
        ("weight_decay", False),
        ("warm_up", False),
        ("rate_drops", [0.5, True]),
    ],
)
def test_in_a_trial(name, value):
    with pytest.raises(ValueError, match=rf"{name} must .*Received: {name}=.*{value}"):
        Trial("mine", "plain", **{name: value})


def unopened():
    return object.__new__(Artefact)


def batches(**options):
    part = load_data().train
    return Batches(part, np.zeros(1), np.ones(1), **{"size": 8, **options})


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda: Setup(devices=True), "devices"),
        (lambda: Setup(processes=True), "processes"),
        (lambda: side_by_side(True), "jobs"),
        (lambda: on_ray(cpus=True), "cpus"),
        (lambda: on_ray(gpus=True), "gpus"),
        (lambda: launcher_for([], Setup(), True, None, 1, 0), "jobs"),
        (lambda: named_study("vanishing", depths=[20, True]), r"depths\[1\]"),
        (lambda: load_data("folder:nowhere", image_size=True), "image_size"),
        (lambda: batches(size=True), "size"),
        (lambda: batches(seed=True), "seed"),
        (lambda: Preprocessing(mean=True), "mean"),
        (lambda: Preprocessing(deviation=(0.5, True)), "deviation"),
        (lambda: unopened().best("image.png", top_k=True), "top_k"),
        (lambda: unopened().milliseconds(True), "batch"),
    ],
)
def test_in_a_call(call, argument):
    with pytest.raises(TypeError, match=rf"{argument} must be an? .*Received: {argument}=True"):
        call()


def test_in_settings_and_seeds():
    with pytest.raises(ValueError, match=r"epochs must be an integer.*epochs=True"):
        named_study("vanishing", settings=dict([_setting("epochs=true")]))
    with pytest.raises(ValueError, match=r"seed must be an integer.*seed=True"):
        with_seeds([TRIAL], [True])


def test_in_a_study_nothing_is_written(tmp_path):
    with pytest.raises(TypeError, match="devices=True"):
        run_study([TRIAL], tmp_path / "out", devices=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"top_k": True}, TypeError, "top_k must be an integer"),
        ({"input_shape": (8, 8, True)}, TypeError, r"input_shape\[2\] must be an integer"),
        ({"metrics": {"loss": True}}, ValueError, "names and finite numbers"),
    ],
)
def test_in_an_export_nothing_is_written(tmp_path, options, error, message):
    pytest.importorskip("tensorflow", reason="this environment has no TensorFlow")
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
    with pytest.raises(error, match=message):
        export_savedmodel(model, tmp_path / "out", **options)
    assert list(tmp_path.iterdir()) == []
