"""Hostile files at the doors of data and models: a right result, or one line."""

import sys

import pytest
from hostile_doors import DOORS
from hostile_samples import make_samples, write_images
from hostile_workers import GOOD, Door, SilentError, _outcome, counted
from serving import served

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
MODULE = "hostile_doors"


def failures(name, share, samples):
    """What failed at a door, and how many inputs did not."""
    told = []
    count = round(share * DOORS[name].count)
    counts, _ = counted(MODULE, name, 1, count, samples, told.append)
    return told, sum(counts[kind] for kind in GOOD), count


def test_data_sets_and_images(tmp_path):
    write_images(tmp_path)
    for name in "npz", "images", "folders":
        told, good, count = failures(name, 0.1, tmp_path)
        assert told == []
        assert good == count > 0


@pytest.mark.slow
def test_models_weights_and_requests(tmp_path):
    pytest.importorskip("tensorflow", reason="this environment has no TensorFlow")
    samples = make_samples(tmp_path)
    with served(samples / "served", samples / "errors.txt") as (server, port):
        (samples / "server").write_text(f"{port} {server.pid}")
        for name in "models", "weights", "HTTP":
            told, good, count = failures(name, 0.1, samples)
            assert told == []
            assert good == count > 0
    assert "Traceback" not in (samples / "errors.txt").read_text()


def silent():
    raise SilentError


def refused():
    raise ValueError("in one line")


def many_lines():
    raise ValueError("in\ntwo")


def missed():
    raise KeyError("a")


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        (lambda: None, "right"),
        (refused, "refused"),
        (many_lines, "traceback"),
        (missed, "traceback"),
        (silent, "silent"),
        (lambda: open("beside.txt", "w").close(), "outside"),
        (lambda: open("target/in.txt", "w").close(), "right"),
    ],
)
def test_each_outcome_is_known(tmp_path, monkeypatch, action, kind):
    monkeypatch.chdir(tmp_path)
    door = Door(1, lambda draw, folder, samples: ("an input", action))
    assert _outcome(door, "0", tmp_path)[0] == kind
