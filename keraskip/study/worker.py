"""A process that trains the trials that it reads from standard input, one on each line.

For each it writes one line to standard error: why the trial failed, empty if it did not.
"""

import json
import os
import queue
import sys
import threading
from pathlib import Path

from keraskip.study.devices import Setup
from keraskip.study.kept import Kept
from keraskip.study.processes import ANSWER, in_a_line
from keraskip.study.training import train_trial
from keraskip.study.trial import Trial


def _read(lines: "queue.SimpleQueue[str]") -> None:
    """Hands lines on; standard input closes when the parent process ends in any way."""
    for line in sys.stdin:
        lines.put(line)
    os._exit(1)


def _answer(line: str, kept: Kept) -> str:
    """Trains the trial that one line of JSON describes; returns why it failed, or nothing."""
    trial, folder, setup = json.loads(line)
    try:
        train_trial(Trial(**trial), Path(folder), Setup(**setup), kept=kept)
    except Exception as error:
        return in_a_line(error)
    return ""


def main() -> None:
    """Trains until the parent process ends this one."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    kept = Kept()
    threading.Thread(target=_read, args=[lines], daemon=True).start()
    while True:
        # On a line of its own, whatever a library has printed.
        print(f"\n{ANSWER}{json.dumps(_answer(lines.get(), kept))}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
