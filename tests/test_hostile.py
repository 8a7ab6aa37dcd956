"""Hostile input at each door: a right result, or one line."""

import sys

import pytest
from damaged_runs import small_run
from hostile_doors import DOORS
from hostile_samples import make_samples, write_images
from hostile_together import DOORS as QUICK
from hostile_workers import GOOD, Door, ScriptError, SilentError, _outcome, counted
from serving import served

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
WITHOUT_KERAS = ("runs", "npz", "images", "folders")


def check(module, doors, name, samples):
    """A tenth of the inputs of a door: none of them fails."""
    pytest.importorskip("typer", reason="this environment has no command line")
    told, count = [], round(0.1 * doors[name].count)
    counts, _ = counted(module, name, 1, count, samples, told.append)
    assert told == []
    assert sum(counts[kind] for kind in GOOD) == count > 0


@pytest.mark.parametrize("name", WITHOUT_KERAS)
def test_a_tenth_without_keras(tmp_path, name):
    write_images(tmp_path)
    small_run(tmp_path / "run")
    check("hostile_doors", DOORS, name, tmp_path)


def test_some_with_keras(tmp_path):
    small_run(tmp_path / "run")
    check("hostile_together", QUICK, "quick", tmp_path)


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    pytest.importorskip("tensorflow", reason="this environment has no TensorFlow")
    samples = make_samples(tmp_path_factory.mktemp("samples"))
    with served(samples / "served", samples / "errors.txt") as (server, port):
        (samples / "server").write_text(f"{port} {server.pid}")
        yield samples
    assert "Traceback" not in (samples / "errors.txt").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(DOORS.keys() - WITHOUT_KERAS))
def test_a_tenth_with_keras(samples, name):
    if lacks := DOORS[name].lacks():
        pytest.skip(lacks)
    check("hostile_doors", DOORS, name, samples)


def silent():
    raise SilentError


def ran():
    raise ScriptError


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
        (ran, "script"),
        (lambda: open("beside.txt", "w").close(), "outside"),
        (lambda: open("target/in.txt", "w").close(), "right"),
    ],
)
def test_each_outcome_is_known(tmp_path, monkeypatch, action, kind):
    monkeypatch.chdir(tmp_path)
    door = Door(1, lambda draw, folder, samples: ("an input", action))
    assert _outcome(door, "0", tmp_path)[0] == kind
