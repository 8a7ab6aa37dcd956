"""Folders that appear whole, in place of earlier ones, or not at all.

A draft is a hidden folder beside its target. It holds the artefact that is being written and a
lock, which is free once the process that writes is gone, even if it was killed.
"""

import ctypes
import errno
import glob
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

# A folder with this file is an artefact of keraskip, which may be replaced.
CARD_FILE = "model_card.json"
# Inside of a draft.
LOCK_FILE = "lock"
ARTEFACT = "artefact"
RENAME_EXCHANGE = 2  # linux/fs.h
AT_FDCWD = -100  # linux/fcntl.h: names are relative to the working directory
# The errors of a system that cannot exchange two folders.
CANNOT = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)


@contextmanager
def draft(path: Path, overwrite: bool) -> Iterator[Path]:
    """A folder to write, which replaces `path` in one step if no error occurs.

    After an error the folder is removed and `path` stays as it was. The draft of a killed process
    is removed by the next draft for the same path.

    Raises:
        FileExistsError: if `path` must not be replaced, also if it appears in the meantime.
        OSError: if the folder cannot be made.
    """
    _check_free(path, overwrite)
    path = _real(path)
    new = _missing_parents(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _clean_up(path)
        with _locked_artefact(path) as artefact:
            yield artefact
            _put_in_place(artefact, path, overwrite)
    except BaseException:
        _remove_empty(new)
        raise


def check_target(path: Path, overwrite: bool) -> None:
    """OSError unless an artefact can be written there; the folder that tries it out is gone again.

    Raises:
        FileExistsError: if `path` must not be replaced.
        OSError: if no folder can be made there.
    """
    _check_free(path, overwrite)
    path = _real(path)
    new = _missing_parents(path)
    # The longest name that is needed.
    folder = path.with_name(f"{_draft_of(path).name}.{_unique()}")
    try:
        folder.mkdir(parents=True)
        folder.rmdir()
    finally:
        _remove_empty(new)


def _real(path: Path) -> Path:
    """The path without links: a link stays, and the folder that it leads to is replaced."""
    return Path(os.path.realpath(path))


def _missing_parents(path: Path) -> list[Path]:
    """The folders that `path` is to lie in and that are not there, the innermost first."""
    return [parent for parent in path.parents if not parent.exists()]


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def _draft_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.draft.{_unique()}")


def _unique() -> str:
    return uuid4().hex[:8]


def _check_free(path: Path, overwrite: bool) -> None:
    """FileExistsError if something is there that must not be replaced."""
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    if not overwrite:
        raise FileExistsError(
            f"{path} exists: pass overwrite=True to replace it, or choose another path."
        )
    if not (path / CARD_FILE).is_file():
        raise FileExistsError(
            f"overwrite=True replaces artefacts of keraskip only, which have a {CARD_FILE}. "
            f"Received: {path}"
        )


@contextmanager
def _locked_artefact(path: Path) -> Iterator[Path]:
    """The artefact's folder in a new draft whose lock is held; the draft is gone afterwards."""
    while True:
        folder = _draft_of(path)
        lock = FileLock(folder / LOCK_FILE, timeout=0)
        try:
            # Another export may see the draft before it is locked, and remove it.
            with suppress(Timeout, FileNotFoundError, FileExistsError):
                (folder / ARTEFACT).mkdir(parents=True)
                lock.acquire()
            if lock.is_locked and (folder / ARTEFACT).is_dir():
                yield folder / ARTEFACT
                return
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            lock.release()
            # Windows keeps the lock file while it is open.
            shutil.rmtree(folder, ignore_errors=True)


def _put_in_place(artefact: Path, path: Path, overwrite: bool) -> None:
    try:
        # Replaces at most an empty folder.
        os.replace(artefact, path)
    except OSError:
        if not path.exists():
            raise
        # It may have appeared in the meantime.
        _check_free(path, overwrite)
        if not _exchanged(artefact, path):
            _replace_in_two_steps(artefact, path)


def _exchanged(one: Path, other: Path) -> bool:
    """Exchanges two folders in one step; False where the system cannot do that."""
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    names = os.fsencode(one), os.fsencode(other)
    if not rename(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE):
        return True
    number = ctypes.get_errno()
    if number in CANNOT:
        return False
    raise OSError(number, os.strerror(number), str(other))


def _replace_in_two_steps(artefact: Path, path: Path) -> None:
    """Between the two steps no folder has the name."""
    aside = _aside(path)
    os.replace(path, aside)
    try:
        os.replace(artefact, path)
    except BaseException:
        os.replace(aside, path)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _clean_up(path: Path) -> None:
    """Restores what a killed process had put aside, and removes its draft."""
    aside = _aside(path)
    if aside.exists() and not path.exists():
        os.replace(aside, path)
    shutil.rmtree(aside, ignore_errors=True)
    for folder in path.parent.glob(f".{glob.escape(path.name)}.draft.*"):
        # Timeout is an OSError: whoever writes the draft holds its lock.
        with suppress(OSError), FileLock(folder / LOCK_FILE, timeout=0) as lock:
            _remove(folder, lock)


def _remove(folder: Path, lock: FileLock) -> None:
    """Removes a draft, renamed first: its owner, if it still comes, finds all of it or nothing."""
    renamed = folder.with_name(f"{folder.name}.{_unique()}")
    try:
        os.replace(folder, renamed)
    except PermissionError:
        # Windows renames no folder with an open file, so there a draft in use is safe anyway.
        lock.release()
        os.replace(folder, renamed)
    shutil.rmtree(renamed, ignore_errors=True)


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.before")
