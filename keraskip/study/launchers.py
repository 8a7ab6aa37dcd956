"""Where the trials of a study run: in this process, in processes beside it, or on a Ray cluster."""

import json
import logging
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from keraskip.runs import read_info
from keraskip.study.devices import Setup
from keraskip.study.training import train_trial
from keraskip.study.trial import Trial

SECONDS_BETWEEN_LOOKS = 0.5
# How often a trial starts again after the loss of its worker, which its own memory may have caused.
RETRIES = 5


class Task(NamedTuple):
    """A trial to train: its place in the study, and its run folder."""

    number: int
    trial: Trial
    folder: Path


# Trains the tasks, tells how far each is, and returns the reason for each that failed, by name.
Place = Callable[[Sequence[Task], Setup, Callable[[int, Trial, int], None]], dict[str, str]]


def one_after_the_other(tasks: Sequence[Task], setup: Setup, progress: Any) -> dict[str, str]:
    """In this process."""
    failures = {}
    for number, trial, folder in tasks:
        try:
            train_trial(trial, folder, setup, partial(progress, number, trial))
        except Exception as error:
            # The others can still succeed.
            failures[trial.name] = in_a_line(error)
    return failures


def side_by_side(jobs: int) -> Place:
    """In so many processes at a time, which end when this one does."""
    if not isinstance(jobs, int) or jobs < 1:
        raise ValueError(f"jobs must be a number from 1. Received: jobs={jobs!r}")

    def train(tasks: Sequence[Task], setup: Setup, progress: Any) -> dict[str, str]:
        running: list[subprocess.Popen] = []
        with ThreadPoolExecutor(jobs) as pool:
            try:
                found = list(
                    pool.map(lambda task: _in_a_process(task, setup, progress, running), tasks)
                )
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for process in running:
                    process.terminate()
                raise
        return {
            task.trial.name: reason for task, reason in zip(tasks, found, strict=True) if reason
        }

    return train


def on_ray(address: str = "auto", cpus: float = 1, gpus: float = 0) -> Place:
    """On a Ray cluster whose machines all see the study's folder.

    A trial whose machine or process is lost starts again elsewhere from its last checkpoint.

    Args:
        address: of the cluster, as for `ray.init`.
        cpus: how many processors each trial takes.
        gpus: how many GPUs each trial takes.
    """

    def train(tasks: Sequence[Task], setup: Setup, progress: Any) -> dict[str, str]:
        import keras
        import ray

        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        try:
            there = ray.cluster_resources()
            if cpus > there.get("CPU", 0) or gpus > there.get("GPU", 0):
                raise ValueError(
                    f"The cluster has {there.get('CPU', 0):g} processors and "
                    f"{there.get('GPU', 0):g} GPUs. Received: {cpus:g} and {gpus:g} for each trial"
                )
            remote = ray.remote(_where_the_folder_is_seen)
            options = remote.options(num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES)
            here = keras.backend.backend(), os.getcwd()
            waiting = {
                options.remote(task.trial, task.folder, setup, *here): task for task in tasks
            }
            failures = {}
            while waiting:
                done, _ = ray.wait(list(waiting), timeout=SECONDS_BETWEEN_LOOKS)
                for task in waiting.values():
                    progress(task.number, task.trial, epochs_in(task.folder))
                for reference in done:
                    task = waiting.pop(reference)
                    try:
                        ray.get(reference)
                    except ray.exceptions.RayError as error:
                        failures[task.trial.name] = in_a_line(getattr(error, "cause", error))
            return failures
        finally:
            ray.shutdown()

    return train


def chosen(setup: Setup, jobs: int, ray: str | None, cpus: float, gpus: float) -> Place:
    """The place that the command's options ask for."""
    if setup.processes > 1 and (jobs != 1 or ray):
        raise ValueError(
            "Processes that train one trial together train one after the other. "
            f"Received: processes={setup.processes}, jobs={jobs}, ray={ray!r}"
        )
    if ray is None:
        return side_by_side(jobs) if jobs != 1 else one_after_the_other
    if jobs != 1:
        raise ValueError(f"Ray decides how many trials run at a time. Received: jobs={jobs}")
    if not find_spec("ray"):
        raise ValueError("This environment has no Ray: pip install 'keraskip[ray]'")
    return on_ray(ray, cpus, gpus)


def epochs_in(folder: Path) -> int:
    """How many epochs the run in the folder has, 0 before it has begun."""
    try:
        return len(read_info(folder)["epochs"])
    except (FileNotFoundError, ValueError):
        return 0


def _in_a_process(task: Task, setup: Setup, progress: Any, running: list) -> str:
    """Trains in a process of its own; returns why it failed, or nothing."""
    command = [sys.executable, "-m", "keraskip.study.worker"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, **pipes)
    running.append(process)
    assert process.stdin
    assert process.stderr
    settings = [task.trial.settings, str(task.folder), asdict(setup)]
    # Left open: the worker ends when it is closed, as it is when this process ends.
    process.stdin.write(json.dumps(settings) + "\n")
    process.stdin.flush()
    with ThreadPoolExecutor(1) as reader:
        said = reader.submit(process.stderr.read)
        while process.poll() is None:
            progress(task.number, task.trial, epochs_in(task.folder))
            time.sleep(SECONDS_BETWEEN_LOOKS)
        process.stdin.close()
        lines = said.result().strip().splitlines()
    progress(task.number, task.trial, epochs_in(task.folder))
    if not process.returncode:
        return ""
    return (
        lines[-1] if process.returncode > 0 and lines else f"killed by signal {-process.returncode}"
    )


def _where_the_folder_is_seen(
    trial: Trial, folder: Path, setup: Setup, backend: str, directory: str
) -> None:
    """Trains on another machine, with backend and directory of the one that asked for it."""
    os.environ["KERAS_BACKEND"] = backend
    if not Path(directory).is_dir() or not Path(directory, folder).parent.is_dir():
        raise FileNotFoundError(f"{platform.node()} does not see {directory} or {folder.parent}.")
    os.chdir(directory)
    train_trial(trial, folder, setup)


def in_a_line(error: BaseException) -> str:
    """What went wrong, without where."""
    return f"{type(error).__name__}: {error}".splitlines()[0]
