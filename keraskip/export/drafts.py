"""Folders that appear whole, in place of earlier ones, or not at all."""

import ctypes
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# By this file a folder is known as one of ours, which may be replaced.
CARD_FILE = "model_card.json"
RENAME_EXCHANGE = 2  # linux/fs.h
AT_FDCWD = -100  # fcntl.h: names are relative to the working directory


@contextmanager
def draft(path: Path, overwrite: bool) -> Iterator[Path]:
    """A folder to write, which takes the place of `path` in one step when all went well.

    When not, it vanishes, and what was there before stays. What a killed process left of its
    draft vanishes with the next one for the same path.

    Raises:
        FileExistsError: if something is there that must not be replaced.
        OSError: if the folder cannot be made.
    """
    check_target(path, overwrite)
    path = path.absolute()
    made = _missing_parents(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _drop_drafts_of_the_dead(path)
        folder = path.with_name(f".{path.name}.draft.{os.getpid()}")
        folder.mkdir()
    except BaseException:
        _remove_empty(made)
        raise
    try:
        yield folder
        _replace(folder, path)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        _remove_empty(made)
        raise
    # After an exchange, what was there before.
    shutil.rmtree(folder, ignore_errors=True)


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


def _replace(folder: Path, path: Path) -> None:
    if not path.exists() or not any(path.iterdir()):
        os.replace(folder, path)
    elif not _exchanged(folder, path):
        # Without the system's help there is a moment in which no folder has the name.
        aside = folder.with_suffix(".old")
        os.replace(path, aside)
        os.replace(folder, path)
        os.replace(aside, folder)


def _exchanged(one: Path, other: Path) -> bool:
    """Whether the two changed places at once, as Linux can do on most file systems."""
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    names = os.fsencode(one), os.fsencode(other)
    return rename is not None and not rename(
        AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE
    )


def _drop_drafts_of_the_dead(path: Path) -> None:
    for folder in path.parent.glob(f".{path.name}.draft.*"):
        number = folder.suffix[1:]
        if number.isdigit() and not _runs(int(number)):
            shutil.rmtree(folder, ignore_errors=True)


def _runs(process: int) -> bool:
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _missing_parents(path: Path) -> list[Path]:
    """The folders above that are to be made, the innermost first."""
    return [parent for parent in path.parents if not parent.exists()]


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
