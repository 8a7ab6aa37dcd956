"""A process that trains one trial, which it reads from standard input."""

import json
import os
import sys
import threading
from pathlib import Path

from keraskip.study.devices import Setup
from keraskip.study.launchers import in_a_line
from keraskip.study.training import train_trial
from keraskip.study.trial import Trial


def _end_with_the_parent() -> None:
    """Waits for standard input to close, as it does when the parent process ends in any way."""
    sys.stdin.read()
    os._exit(1)


def main() -> None:
    """Trains the trial that one line of JSON describes."""
    trial, folder, setup = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    try:
        train_trial(Trial(**trial), Path(folder), Setup(**setup))
    except Exception as error:
        sys.exit(in_a_line(error))


if __name__ == "__main__":
    main()
