"""Keeps a run folder to one process at a time."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

LOCK_FILE = ".lock"
# Names the process that holds the lock. Some systems let nobody else read the lock file itself.
HOLDER_FILE = ".lock_holder"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the folder's lock, which a process loses with its end, also when it is killed.

    Raises:
        OSError: if another process holds the lock; the message names it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK_FILE, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise OSError(f"Another process trains in {folder}: {_holder(folder)}") from None
    try:
        (folder / HOLDER_FILE).write_text(f"process {os.getpid()} on {platform.node()}", "utf-8")
        yield
    finally:
        with suppress(OSError):
            (folder / HOLDER_FILE).unlink()
        lock.release()


def _holder(folder: Path) -> str:
    try:
        return (folder / HOLDER_FILE).read_text("utf-8")
    except OSError:
        return "one that has just begun"
