"""How many trials train at a time, and the processes that train them."""

import os
import signal
import sys
from io import StringIO
from pathlib import Path

import pytest
from joblib.externals.loky.backend import context

from keraskip.machine import processors
from keraskip.study import Trial, named_study, processes, resources
from keraskip.study.devices import Setup
from keraskip.study.launchers import launcher_for, one_after_the_other
from keraskip.study.processes import Worker
from keraskip.study.trial import with_seeds
from keraskip.study.waiting import Task, Waiting

GIGABYTE = 2**30


@pytest.mark.parametrize(
    ("count", "memory", "jobs"),
    [(1, 64, 1), (2, 24, 2), (16, 7, 3), (4, 1, 1), (4, None, 4)],
)
def test_as_many_trials_as_there_are_processors_and_memory_for(
    monkeypatch, tmp_path, count, memory, jobs
):
    monkeypatch.setattr(resources, "DEVICES", tmp_path)
    monkeypatch.setattr(resources, "processors", lambda: count)
    known = None if memory is None else memory * GIGABYTE
    monkeypatch.setattr(resources, "free_memory", lambda: known)
    assert resources.room_for_jobs() == jobs


def test_a_gpu_takes_one_trial_at_a_time(monkeypatch, tmp_path):
    monkeypatch.setattr(resources, "processors", lambda: 8)
    monkeypatch.setattr(resources, "DEVICES", tmp_path)
    (tmp_path / "nvidia2").touch()
    assert resources.room_for_jobs() == 1


QUOTAS = {
    "cpu.max": {"cpu.max": "150000 100000\n"},
    "cfs": {"cpu/cpu.cfs_quota_us": "150000\n", "cpu/cpu.cfs_period_us": "100000\n"},
    "none": {"cpu.max": "max 100000\n"},
}


@pytest.mark.skipif(sys.platform != "linux", reason="containers have control groups there")
@pytest.mark.parametrize("quota", QUOTAS)
def test_the_quota_of_a_container_is_the_number_of_its_processors(monkeypatch, tmp_path, quota):
    for name, text in QUOTAS[quota].items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "ascii")
    there = os.path.exists

    def in_folder(path):
        return str(path).replace("/sys/fs/cgroup", str(tmp_path))

    def opened(path):
        return StringIO(Path(in_folder(path)).read_text("ascii"))

    monkeypatch.setattr(context, "open", opened, raising=False)
    monkeypatch.setattr(os.path, "exists", lambda path: there(in_folder(path)))
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: range(8))
    assert processors() == (8 if quota == "none" else 2)


def test_this_machine_has_a_processor_and_memory():
    assert processors() >= 1
    memory = resources.free_memory()
    assert memory is None or memory > 0


class Mine(Trial):
    """A trial that another process would not know."""


TRIALS = [Trial(name, "mlp", {"depth": 3}, epochs=1) for name in ("first", "second")]


@pytest.mark.parametrize(
    ("trials", "setup", "is_alone"),
    [
        (TRIALS, Setup(), False),
        (TRIALS[:1], Setup(), True),
        (TRIALS, Setup(devices=2), True),
        ([*TRIALS, Mine("third", "mlp")], Setup(), True),
    ],
)
def test_trials_that_have_to_be_alone_are(monkeypatch, trials, setup, is_alone):
    monkeypatch.setattr("keraskip.study.launchers.room_for_jobs", lambda: 4)
    launcher = launcher_for(trials, setup, None, None, 1, 0)
    assert (launcher is one_after_the_other) == is_alone


def test_the_memory_that_is_free_now_does_not_change_the_threads(monkeypatch):
    seen = []
    monkeypatch.setattr("keraskip.study.launchers.side_by_side", lambda *given: seen.append(given))
    monkeypatch.setattr("keraskip.study.launchers.processors", lambda: 8)
    monkeypatch.setattr("keraskip.study.resources.processors", lambda: 8)
    for room in (8, 1):
        monkeypatch.setattr("keraskip.study.launchers.room_for_jobs", lambda room=room: room)
        launcher_for(TRIALS, Setup(), None, None, 1, 0)
    assert seen == [(2, 4), (1, 4)]


def test_processes_share_the_processors(monkeypatch):
    seen = []
    monkeypatch.setattr(processes.subprocess, "Popen", lambda *_, env, **__: seen.append(env))
    monkeypatch.delenv("TF_NUM_INTEROP_THREADS", raising=False)
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "3")
    with pytest.raises(RuntimeError):
        Worker(2).train(TRIALS[0], None, Setup(), None)
    (environment,) = seen
    names = "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"
    assert [environment[name] for name in names] == ["3", "2"]


def test_the_default_study_ends_with_what_takes_little_time(tmp_path):
    trials = named_study("vanishing")
    waiting, task, names = Waiting([Task(0, trial, tmp_path) for trial in trials]), None, []
    while task := waiting.next(task):
        names.append(task.trial.name)
    assert names[:2] == ["plain56_seed0", "plain56_seed1"]
    assert names[-5:-3] == ["densenet19_seed1", "mlp20_seed0"]


def test_seeds_of_a_network_follow_each_other_and_the_deepest_comes_first(tmp_path):
    networks = [Trial(f"mlp{depth}", "mlp", {"depth": depth}) for depth in (3, 9, 5)]
    trials = with_seeds(networks, [0, 1])
    waiting = Waiting([Task(n, trial, tmp_path / trial.name) for n, trial in enumerate(trials)])
    mine, other = waiting.next(None), waiting.next(None)
    assert [task.trial.name for task in (mine, other)] == ["mlp9_seed0", "mlp5_seed0"]
    mine = waiting.next(mine)
    assert mine.trial.name == "mlp9_seed1"
    mine = waiting.next(mine)
    assert mine.trial.name == "mlp3_seed0"
    mine = waiting.next(mine)
    assert mine.trial.name == "mlp3_seed1"
    # Better traced twice than left waiting.
    assert waiting.next(mine).trial.name == "mlp5_seed1"
    assert waiting.next(other) is None


@pytest.mark.slow
def test_a_process_answers_for_each_trial_and_is_replaced_when_it_is_lost(tmp_path):
    worker, seen = Worker(1), []
    trial = Trial("mlp", "mlp", {"depth": 3, "units": 8}, epochs=1)
    broken = Trial("broken", "mlp", {"depth": 3}, dataset="npz:missing.npz")

    def train(each, look=seen.append):
        return worker.train(each, tmp_path / each.name, Setup(), look)

    def kill(epochs):
        os.kill(worker._process.pid, signal.SIGKILL)

    assert "missing.npz" in train(broken)
    first = worker._process.pid
    assert train(trial) == ""
    assert seen[-1] == 1
    assert worker._process.pid == first
    assert train(Trial("lost", "mlp", {"depth": 3}), kill) == "killed by signal 9"
    assert train(Trial("next", "mlp", {"depth": 3}, epochs=1)) == ""
    assert worker._process.pid != first
    process = worker._process
    worker.end()
    assert process.poll() is not None
