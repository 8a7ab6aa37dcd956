"""Exports and training where the system lacks what only Linux or Unix has."""

import ctypes
import os
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from test_export_failures import small

from keraskip import GradientRecorder, export_savedmodel, run_study
from keraskip.export.artefact.drafts import _exchanged
from keraskip.runs import read_info
from keraskip.study import Trial

pytest.importorskip("tensorflow", reason="this environment has no TensorFlow")
pytestmark = pytest.mark.filterwarnings("ignore:.*np.object:FutureWarning")


@pytest.fixture
def poor_system(monkeypatch):
    """A system without the functions that Unix has, and without a library that has no name."""

    def library(name, **options):
        assert name is not None, "there is no library without a name"

    monkeypatch.setattr(ctypes, "CDLL", library)
    monkeypatch.setattr(sys, "platform", "other")
    for name in "sched_getaffinity", "sysconf":
        monkeypatch.delattr(os, name)


def assert_replaced_by_an_export(folder):
    path = export_savedmodel(small(), folder / "out")
    before = (path / "model_card.json").read_bytes()
    assert not _exchanged(path, path)
    export_savedmodel(small(), path, overwrite=True)
    assert (path / "model_card.json").read_bytes() != before
    assert [file.name for file in folder.iterdir()] == ["out"]


def test_an_export_replaces_an_earlier_one(tmp_path, poor_system):
    assert_replaced_by_an_export(tmp_path)


def test_an_export_where_the_c_library_has_no_renameat2(tmp_path, monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name, **options: SimpleNamespace())
    assert_replaced_by_an_export(tmp_path)


def test_a_training_is_recorded(tmp_path, poor_system):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    x = np.ones((8, 3), "float32")
    model.fit(x, x[:, :1], verbose=0, callbacks=[GradientRecorder(tmp_path)])
    info = read_info(tmp_path)
    assert info["device"]["cpus"] == os.cpu_count()
    assert info["status"] == "finished"


@pytest.mark.slow
def test_a_trial_is_trained(tmp_path, poor_system):
    network = {"stage_blocks": (1,), "filters": (2,)}
    (folder,) = run_study([Trial("small", "plain", network, epochs=1, batch_size=512)], tmp_path)
    info = read_info(folder)
    assert info["device"]["cpus"] == os.cpu_count()
    assert len(info["test"]) == 1
    assert (folder / "model.keras").is_file()
