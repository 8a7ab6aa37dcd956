"""A study on a Ray cluster of this machine: the same runs, also if a worker is killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from keraskip import compare, load_run
from keraskip.study import Trial, on_ray, run_study

pytest.importorskip("ray", reason="this environment has no Ray")
SMALL = {"depth": 8, "filters": (4, 8, 16)}
TRIALS = [
    Trial(f"{network}_seed{seed}", network, SMALL, epochs=8, batch_size=256, seed=seed)
    for network in ("plain", "resnet")
    for seed in (0, 1)
]


def ray_command(*arguments):
    command = [Path(sys.executable).with_name("ray"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=quiet())
    assert not done.returncode, done.stderr + done.stdout


def quiet():
    # Without the dashboard and its agents a cluster starts in seconds.
    return {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "TF_CPP_MIN_LOG_LEVEL": "3"}


@pytest.fixture
def cluster(monkeypatch):
    """The address of two workers on loopback."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    options = ["--node-ip-address=127.0.0.1", "--port=6399", "--num-cpus=2"]
    ray_command("start", "--head", *options, "--include-dashboard=false", "--disable-usage-stats")
    yield "127.0.0.1:6399"
    ray_command("stop", "--force")


def kill_the_first_with_a_checkpoint(out, killed):
    """Kills a worker that has trained for two epochs, and notes its trial and how many it had."""
    deadline = time.monotonic() + 120
    while not killed and time.monotonic() < deadline:
        for file in out.glob("*/checkpoints/epoch_*.npz"):
            folder, epochs = file.parents[1], int(file.stem.split("_")[1])
            if 2 <= epochs <= 5:
                os.kill(int((folder / ".lock_holder").read_text().split()[1]), signal.SIGKILL)
                killed[folder.name] = epochs
                return
        time.sleep(0.01)


@pytest.mark.slow
def test_a_study_on_ray_has_the_table_of_a_sequential_one(tmp_path, cluster):
    out, killed, told = tmp_path / "ray", {}, {}
    killer = threading.Thread(target=kill_the_first_with_a_checkpoint, args=(out, killed))
    killer.start()
    runs = run_study(
        TRIALS,
        out,
        place=on_ray(cluster),
        progress=lambda number, trial, epochs: told.update({trial.name: epochs}),
    )
    killer.join()
    assert told == dict.fromkeys((trial.name for trial in TRIALS), 8)
    sequential = run_study(TRIALS, tmp_path / "sequential")
    assert compare(*runs).table() == compare(*sequential).table()
    ((name, epochs),) = killed.items()
    # It may have come to the next one before the signal did.
    ((resumed),) = load_run(out / name).info["resumed"]
    assert resumed["epoch"] in (epochs, epochs + 1)
    for one, other in zip(runs, sequential, strict=True):
        assert np.array_equal(load_run(one).grad_norm, load_run(other).grad_norm)
