"""Exports and training where the system lacks what only Linux or Unix has."""

import ctypes
import os
import sys
from types import SimpleNamespace

import keras
import pytest
from test_export_failures import small

from keraskip import export_savedmodel, run_study
from keraskip.export.drafts import _exchanged
from keraskip.runs import read_info
from keraskip.study import Trial

pytest.importorskip("tensorflow", reason="this environment has no TensorFlow")
pytestmark = pytest.mark.filterwarnings("ignore:.*np.object:FutureWarning")


def no_library(monkeypatch):
    """As on Windows."""

    def refuse(name, **options):
        assert name is not None, "there is no library without a name"

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    monkeypatch.setattr(sys, "platform", "other")


def no_renameat2(monkeypatch):
    """As on Linux with another C library."""
    monkeypatch.setattr(ctypes, "CDLL", lambda name, **options: SimpleNamespace())


@pytest.fixture(params=[no_library, no_renameat2])
def poor_system(request, monkeypatch):
    for name in "sched_getaffinity", "sysconf":
        monkeypatch.delattr(os, name)
    request.param(monkeypatch)


def test_an_export_replaces_an_earlier_one(tmp_path, poor_system):
    path = export_savedmodel(small(), tmp_path / "out")
    before = (path / "model_card.json").read_bytes()
    assert not _exchanged(path, path)
    export_savedmodel(small(), path, overwrite=True)
    assert (path / "model_card.json").read_bytes() != before
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


def test_a_trial_is_trained_and_resumed(tmp_path, poor_system):
    small_net = {"depth": 8, "filters": (2, 4, 8)}
    trial = Trial("plain8", "plain", small_net, epochs=1, batch_size=512)

    def interrupt(number, trial, epochs):
        if epochs == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study([trial], tmp_path, progress=interrupt)
    (folder,) = run_study([trial], tmp_path)
    info = read_info(folder)
    assert info["device"]["cpus"] == os.cpu_count()
    assert len(info["test"]) == 1
    assert keras.models.load_model(folder / "model.keras").count_params() > 0
