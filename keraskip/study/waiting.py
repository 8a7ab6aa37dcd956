"""The trials that wait for a process, and which one comes next."""

import json
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from keraskip.study.trial import Trial


class Task(NamedTuple):
    """A trial to train, its number in the study and its run folder."""

    number: int
    trial: Trial
    folder: Path


class Waiting:
    """Hands out tasks so that all end early.

    A process that has trained a network gets its other seeds, for which the step is traced already.
    Otherwise the largest network comes first that no process has begun.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = sorted(tasks, key=_size, reverse=True)
        self._begun: set[str] = set()
        self._lock = Lock()

    def next(self, last: Task | None) -> Task | None:
        """The next task for a process, None if there is none.

        Args:
            last: the last task of the process.
        """
        with self._lock:
            task = min(self._tasks, key=lambda task: self._rank(task, last), default=None)
            if task:
                self._tasks.remove(task)
                self._begun.add(_network(task))
            return task

    def clear(self) -> None:
        """Leaves the rest untrained."""
        with self._lock:
            self._tasks.clear()

    def _rank(self, task: Task, last: Task | None) -> int:
        if last and _network(task) == _network(last):
            return 0
        return 2 if _network(task) in self._begun else 1


def _network(task: Task) -> str:
    """The settings that the seeds of a network have in common."""
    settings = {**task.trial.settings, "name": "", "seed": 0}
    return json.dumps(settings, sort_keys=True, default=str)


def _size(task: Task) -> tuple[bool, int]:
    """Orders by the time that a training takes: an MLP takes the least, and depth counts."""
    return task.trial.family != "mlp", task.trial.depth
