"""Keeps a run folder to one recorder at a time."""

from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from keraskip.runs.info import LOCK_FILE


class Hold:
    """The lock of one folder at a time. A process loses it with its end, also when it is killed."""

    def __init__(self) -> None:
        self._lock: FileLock | None = None

    def take(self, folder: Path) -> bool:
        """Takes the lock of a folder, and gives back another one; False if somebody else has it.

        A file system without locks, or a folder that cannot be written, keeps nobody out.
        """
        self.give_back()
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK_FILE, timeout=0)
        try:
            lock.acquire()
        except Timeout:
            return False
        except (OSError, NotImplementedError):
            return True
        self._lock = lock
        return True

    def give_back(self) -> None:
        """Gives the lock back, if it was taken."""
        lock, self._lock = self._lock, None
        if lock:
            lock.release()
