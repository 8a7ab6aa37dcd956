"""Folders that appear whole, in place of earlier ones, or not at all."""

import ctypes
import errno
import fcntl
import glob
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

# By this file a folder is known as one of ours, which may be replaced.
CARD_FILE = "model_card.json"
RENAME_EXCHANGE = 2  # linux/fs.h
AT_FDCWD = -100  # fcntl.h: names are relative to the working directory
# What a system says that cannot exchange two folders.
CANNOT = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)


@contextmanager
def draft(path: Path, overwrite: bool) -> Iterator[Path]:
    """A folder to write, which takes the place of `path` in one step when all went well.

    When not, it vanishes, and what was there before stays. What a killed process left of its
    draft vanishes with the next one for the same path.

    Raises:
        FileExistsError: if something is there, or has come to be there, that must not be replaced.
        OSError: if the folder cannot be made.
    """
    check_target(path, overwrite)
    # Behind a link, what the link leads to is replaced.
    path = path.resolve()
    made = [parent for parent in path.parents if not parent.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _clean_up(path)
        with _locked_folder(path) as folder:
            yield folder
            _put_in_place(folder, path, overwrite)
    except BaseException:
        for parent in made:
            with suppress(OSError):
                parent.rmdir()
        raise


def check_target(path: Path, overwrite: bool) -> None:
    """FileExistsError unless an artefact may be written there."""
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
def _locked_folder(path: Path) -> Iterator[Path]:
    """A new folder beside `path`, which is known as alive by its lock; it is gone afterwards."""
    folder = path.with_name(f".{path.name}.draft.{uuid4().hex[:8]}")
    folder.mkdir()
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
    finally:
        # After an exchange, what was there before.
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _put_in_place(folder: Path, path: Path, overwrite: bool) -> None:
    try:
        # Replaces nothing but an empty folder.
        os.replace(folder, path)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise
        # It may have come in the meantime.
        check_target(path, overwrite)
        if not _exchanged(folder, path):
            _put_aside(folder, path)


def _exchanged(one: Path, other: Path) -> bool:
    """Whether the two changed places at once; False where the system cannot do that."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if sys.platform != "linux" or rename is None:
        return False
    names = os.fsencode(one), os.fsencode(other)
    if not rename(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE):
        return True
    number = ctypes.get_errno()
    if number in CANNOT:
        return False
    raise OSError(number, os.strerror(number), str(other))


def _put_aside(folder: Path, path: Path) -> None:
    """Replaces in two steps, between which no folder has the name."""
    aside = _aside(path)
    os.replace(path, aside)
    try:
        os.replace(folder, path)
    except BaseException:
        os.replace(aside, path)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _clean_up(path: Path) -> None:
    """Brings back what a killed process had put aside, and drops its draft."""
    aside = _aside(path)
    if aside.exists() and not path.exists():
        os.replace(aside, path)
    shutil.rmtree(aside, ignore_errors=True)
    for folder in path.parent.glob(f".{glob.escape(path.name)}.draft.*"):
        with suppress(OSError):
            lock = os.open(folder, os.O_RDONLY)
            try:
                # Whoever writes it holds the lock.
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.before")
