"""A process beside this one that trains trials, one after the other."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import IO

from keraskip.runs import read_info
from keraskip.study.devices import Setup
from keraskip.study.trial import Trial

SECONDS_BETWEEN_LOOKS = 0.5
THREADS = "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"
# Begins the line of an answer, among what libraries print there.
ANSWER = "keraskip: "


class Worker:
    """A process that starts with its first trial, and again after it was lost.

    It ends when its standard input closes, also because this process ended.

    Args:
        threads: how many threads TensorFlow has for an operation, and how many operations run at a
            time, unless the environment says so. Threads of several processes disturb each other.
    """

    def __init__(self, threads: int) -> None:
        self._environment = dict(os.environ)
        for name in THREADS:
            self._environment.setdefault(name, str(threads))
        self._process: subprocess.Popen[str] | None = None
        # Whether it is to end: a process that is started meanwhile would outlive the study.
        self._has_ended = False
        self._training = Lock()

    def train(
        self, trial: Trial, folder: Path, setup: Setup, progress: Callable[[int], None]
    ) -> str:
        """Trains a trial; returns why it failed, or nothing."""
        with self._training:
            return self._trained(trial, folder, setup, progress)

    def _trained(
        self, trial: Trial, folder: Path, setup: Setup, progress: Callable[[int], None]
    ) -> str:
        process = self._running()
        assert process.stderr
        with ThreadPoolExecutor(1) as reader:
            _send(process, [trial.settings, str(folder), asdict(setup)])
            answer = reader.submit(_answer, process.stderr)
            while not _waited(answer):
                progress(epochs_in(folder))
        progress(epochs_in(folder))
        reason, last = answer.result()
        return self._lost(last) if reason is None else reason

    def end(self) -> None:
        """Ends the process, also in the middle of a training."""
        self._has_ended = True
        if self._process:
            self._process.terminate()
        with self._training:
            if self._process:
                _closed(self._process)

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None and not self._has_ended:
            command = [sys.executable, "-m", "keraskip.study.worker"]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=self._environment,
            )
        if self._process is None:
            raise RuntimeError("The study has ended.")
        return self._process

    def _lost(self, last: str) -> str:
        """Why the process ended in the middle; the next trial gets a new one."""
        assert self._process
        code = _closed(self._process)
        self._process = None
        return f"killed by signal {-code}" if code < 0 else last or f"exit code {code}"


def _closed(process: subprocess.Popen[str]) -> int:
    """Waits for the end of a process and closes its pipes; returns its exit code."""
    with suppress(BrokenPipeError), process:
        process.wait()
    return process.returncode


def _send(process: subprocess.Popen[str], task: list) -> None:
    """Writes a line to a process, which may have ended: its answer tells."""
    assert process.stdin
    with suppress(BrokenPipeError):
        process.stdin.write(json.dumps(task) + "\n")
        process.stdin.flush()


def _answer(lines: IO[str]) -> tuple[str | None, str]:
    """The answer of a process, None if it ends without one, and the last line before."""
    last = ""
    for line in lines:
        if line.startswith(ANSWER):
            return json.loads(line.removeprefix(ANSWER)), last
        last = line.strip() or last
    return None, last


def _waited(answer: Future) -> bool:
    """Whether the answer is there; waits for it for a moment."""
    wait([answer], SECONDS_BETWEEN_LOOKS)
    return answer.done()


def epochs_in(folder: Path) -> int:
    """How many epochs the run in the folder has, 0 before it has begun."""
    try:
        return len(read_info(folder)["epochs"])
    except (FileNotFoundError, ValueError):
        return 0


def in_a_line(error: BaseException) -> str:
    """The kind of an error and the first line of its message."""
    return f"{type(error).__name__}: {error}".splitlines()[0]
