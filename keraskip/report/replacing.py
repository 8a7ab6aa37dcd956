"""Writes a report whole or not at all."""

import os
import secrets
import stat
import time
from contextlib import suppress
from pathlib import Path

# Short, as the names of some reports are as long as a name may be.
PREFIX, SUFFIX = ".keraskip.", ".draft"
# Who writes a draft takes a moment. In seconds.
OLD = 3600


def check_place(path: Path) -> None:
    """An error unless a report can lie there.

    Raises:
        NotADirectoryError: if there is no folder for it.
        ValueError: if something lies there that is neither a file nor a device. To open a pipe with
            a name would wait for its reader; the ones of a shell, as `/dev/stdout` may be, have
            none.
    """
    if not path.parent.is_dir():
        raise NotADirectoryError(f"A report needs a folder to lie in. Received: {str(path)!r}")
    if not path.exists():
        return
    kind = path.stat().st_mode
    is_pipe_of_a_shell = stat.S_ISFIFO(kind) and not path.resolve().exists()
    if not (stat.S_ISREG(kind) or stat.S_ISCHR(kind) or is_pipe_of_a_shell):
        raise ValueError(f"A report is a file. Received: {str(path)!r}, which is none")


def replace_file(path: Path, data: bytes) -> None:
    """Writes a draft beside the file and renames it: who reads the file sees a whole one.

    Args:
        path: the file. It stays as it is if the disk is full, or the process killed.
        data: its new contents.
    """
    if path.exists() and not path.is_file():  # such as /dev/stdout
        path.write_bytes(data)
        return
    target = path.resolve()
    _remove_old_drafts(target.parent)
    draft = target.with_name(f"{PREFIX}{secrets.token_hex(8)}{SUFFIX}")
    try:
        with open(draft, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileNotFoundError):
            os.chmod(draft, target.stat().st_mode & 0o777)
        os.replace(draft, target)
    except BaseException:  # such as Ctrl-C
        with suppress(OSError):
            draft.unlink()
        raise


def _remove_old_drafts(folder: Path) -> None:
    """Removes the drafts of processes that were killed."""
    for draft in folder.glob(f"{PREFIX}*{SUFFIX}"):
        with suppress(OSError):
            if time.time() - draft.stat().st_mtime > OLD:
                draft.unlink()
