"""A study on a Ray cluster of this machine: the same runs, also if a worker is killed."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from keraskip import compare, load_run
from keraskip.study import Trial, on_ray, run_study

pytestmark = pytest.mark.skipif(not find_spec("ray"), reason="this environment has no Ray")
SMALL = {"depth": 8, "filters": (4, 8, 16)}
TRIALS = [
    Trial(f"{network}_seed{seed}", network, SMALL, epochs=4, batch_size=256, seed=seed)
    for network in ("plain", "resnet")
    for seed in (0, 1)
]


# Python runs a module of this name when it starts, here in the workers: the first one that is
# about to keep the third epoch of a trial kills itself.
KILLING = """
import os, signal, sys

THIRD = "plain_seed0/checkpoints/epoch_00003.npz"

def at_the_third_checkpoint(event, arguments):
    if event != "os.rename" or not str(arguments[1]).endswith(THIRD):
        return
    try:
        os.mkdir("{once}")
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(at_the_third_checkpoint)
"""


@pytest.fixture
def cluster(monkeypatch, tmp_path):
    """The address of two workers on loopback; one will be killed."""
    (tmp_path / "hooks").mkdir()
    hook = KILLING.format(once=tmp_path / "killed")
    (tmp_path / "hooks" / "sitecustomize.py").write_text(hook)
    paths = os.pathsep.join([str(tmp_path / "hooks"), os.environ.get("PYTHONPATH", "")])
    # Without the dashboard and its agents a cluster starts in seconds.
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "TF_CPP_MIN_LOG_LEVEL": "3"}
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    command = [Path(sys.executable).with_name("ray"), "start", "--head", "--block"]
    options = ["--node-ip-address=127.0.0.1", "--port=0", "--num-cpus=2"]
    options += ["--include-dashboard=false", "--disable-usage-stats"]
    node = subprocess.Popen(
        [*command, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **quiet, "PYTHONPATH": paths},
    )
    try:
        yield address_of(node)
    finally:
        # So it ends all that it has started, and nothing else.
        node.terminate()
        node.communicate()


def address_of(node):
    """What a node that starts says of its address."""
    said = []
    for line in node.stdout:
        said.append(line)
        if address := re.search(r"--address='([^']+)'", line):
            return address[1]
    pytest.fail("".join(said))


@pytest.mark.slow
def test_a_study_on_ray_has_the_table_of_a_sequential_one(tmp_path, cluster):
    told = {}
    runs = run_study(
        TRIALS,
        tmp_path / "ray",
        place=on_ray(cluster),
        progress=lambda number, trial, epochs: told.update({trial.name: epochs}),
    )
    assert told == dict.fromkeys((trial.name for trial in TRIALS), 4)
    assert (tmp_path / "killed").is_dir()
    sequential = run_study(TRIALS, tmp_path / "sequential")
    assert compare(*runs).table() == compare(*sequential).table()
    resumed = {run.name: load_run(run).info.get("resumed") for run in runs}
    assert [note["epoch"] for note in resumed.pop("plain_seed0")] == [2]
    assert set(resumed.values()) == {None}
    for one, other in zip(runs, sequential, strict=True):
        assert np.array_equal(load_run(one).grad_norm, load_run(other).grad_norm)
