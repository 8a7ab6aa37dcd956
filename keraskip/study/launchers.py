"""How the trials of a study are launched: in this process, in others beside it, or on Ray."""

import logging
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import Any

from keraskip.checks import check_integer, check_number
from keraskip.machine import processors
from keraskip.study.devices import Setup
from keraskip.study.kept import Kept
from keraskip.study.processes import SECONDS_BETWEEN_LOOKS, Worker, epochs_in, in_a_line
from keraskip.study.ray_address import check_answers
from keraskip.study.resources import has_gpu, room_for_jobs, threads_of_each
from keraskip.study.training import train_trial
from keraskip.study.trial import Trial
from keraskip.study.waiting import Task, Waiting
from keraskip.versions import is_installed

# How often Ray starts a trial again whose worker was lost; it may have run out of memory itself.
RETRIES = 5


# Receives the number of the trial, the trial, and how many of its epochs are done.
Progress = Callable[[int, Trial, int], None]
# Trains the tasks; returns by name why trials failed, nothing for the others.
Launcher = Callable[[Sequence[Task], Setup, Progress], dict[str, str]]


def one_after_the_other(tasks: Sequence[Task], setup: Setup, progress: Progress) -> dict[str, str]:
    """Trains in this process."""
    failures, kept = {}, Kept()
    for number, trial, folder in tasks:
        try:
            train_trial(trial, folder, setup, partial(progress, number, trial), kept)
        except Exception as error:
            # The other trials can still succeed.
            failures[trial.name] = in_a_line(error)
    return failures


def side_by_side(jobs: int, threads: int | None = None) -> Launcher:
    """Trains in up to `jobs` processes at a time, which end when this one does.

    A process goes on with the next trial, so the framework is loaded once in each.

    Args:
        jobs: how many processes.
        threads: of each process; by default they share the processors. Another number changes
            the last digits of what is trained.
    """
    check_integer("jobs", jobs, minimum=1)

    def train(tasks: Sequence[Task], setup: Setup, progress: Progress) -> dict[str, str]:
        waiting, failures = Waiting(tasks), dict[str, str]()
        share = threads or max(1, processors() // jobs)
        workers = [Worker(share) for _ in range(min(jobs, len(tasks)))]

        def train_rest(worker: Worker) -> None:
            task = None
            while task := waiting.next(task):
                look = partial(progress, task.number, task.trial)
                if reason := worker.train(task.trial, task.folder, setup, look):
                    failures[task.trial.name] = reason

        with ThreadPoolExecutor(jobs) as pool:
            try:
                for ended in as_completed([pool.submit(train_rest, each) for each in workers]):
                    ended.result()
            finally:
                waiting.clear()
                for worker in workers:
                    worker.end()
        names = (task.trial.name for task in tasks)
        return {name: failures[name] for name in names if name in failures}

    return train


def on_ray(address: str = "auto", cpus: float = 1, gpus: float = 0) -> Launcher:
    """Trains on a Ray cluster whose machines all see the study's folder.

    A trial whose machine or process is lost starts again elsewhere from its last checkpoint.

    Args:
        address: address of the cluster, as for `ray.init`; `HOST:PORT` or `"auto"`.
        cpus: how many processors each trial takes.
        gpus: how many GPUs each trial takes.

    Raises:
        ImportError: without the package ray.
        ConnectionError: if Ray does not answer at the address within seconds, nor, for `"auto"`, at
            the one in `RAY_ADDRESS`, of a cluster on this machine or of the last one there.
    """
    if not is_installed("ray"):
        raise ImportError("To train on Ray needs the package ray: pip install 'keraskip[ray]'")
    check_number("cpus", cpus, minimum=0)
    check_number("gpus", gpus, minimum=0)
    check_answers(address)

    def train(tasks: Sequence[Task], setup: Setup, progress: Progress) -> dict[str, str]:
        import ray

        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        try:
            _check_resources(ray.cluster_resources(), cpus, gpus)
            remote = ray.remote(_on_another_machine)
            submit = remote.options(num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES).remote
            return _collected(_submitted(tasks, setup, submit), progress)
        finally:
            ray.shutdown()

    return train


def launcher_for(
    trials: Sequence[Trial],
    setup: Setup,
    jobs: int | None,
    ray: str | None,
    cpus: float,
    gpus: float,
) -> Launcher:
    """The launcher that the command's options ask for; by default as many jobs as there is room."""
    threads = None
    if jobs is None:
        # A trial of another class does not travel to another process by its settings.
        is_own = any(type(trial) is not Trial for trial in trials)
        is_one = ray or setup.parts > 1 or is_own
        jobs = 1 if is_one else min(room_for_jobs(), len(trials))
        # Not by the memory that is free now, so that a study goes on as it began.
        threads = None if is_one or has_gpu() else threads_of_each(len(trials))
    check_integer("jobs", jobs, minimum=1)
    if setup.processes > 1 and (jobs != 1 or ray):
        raise ValueError(
            "Several processes that train a trial together take one trial at a time. "
            f"Received: processes={setup.processes}, jobs={jobs}, ray={ray!r}"
        )
    if ray is None:
        is_here = jobs == 1 and threads in (None, processors())
        return one_after_the_other if is_here else side_by_side(jobs, threads)
    if jobs != 1:
        raise ValueError(f"Ray decides how many trials run at a time. Received: jobs={jobs}")
    return on_ray(ray, cpus, gpus)


def _check_resources(cluster: Mapping[str, float], cpus: float, gpus: float) -> None:
    cluster_cpus, cluster_gpus = cluster.get("CPU", 0), cluster.get("GPU", 0)
    if cpus > cluster_cpus or gpus > cluster_gpus:
        raise ValueError(
            f"A trial must fit the cluster of {cluster_cpus:g} processors and {cluster_gpus:g} "
            f"GPUs. Received: cpus={cpus:g}, gpus={gpus:g}"
        )


def _submitted(tasks: Sequence[Task], setup: Setup, submit: Callable[..., Any]) -> dict[Any, Task]:
    """The tasks by their references, which Ray gives for a call that it has accepted."""
    import keras

    backend, directory = keras.backend.backend(), os.getcwd()
    return {submit(task.trial, task.folder, setup, backend, directory): task for task in tasks}


def _collected(waiting: dict[Any, Task], progress: Progress) -> dict[str, str]:
    """Waits for all tasks; returns why trials failed."""
    import ray

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


def _on_another_machine(
    trial: Trial, folder: Path, setup: Setup, backend: str, directory: str
) -> None:
    """Trains with the backend and the working directory of the process that submitted it."""
    os.environ["KERAS_BACKEND"] = backend
    if not Path(directory).is_dir() or not Path(directory, folder).parent.is_dir():
        raise FileNotFoundError(f"{platform.node()} does not see {directory} or {folder.parent}.")
    os.chdir(directory)
    train_trial(trial, folder, setup)
