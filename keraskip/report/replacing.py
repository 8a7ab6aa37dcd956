"""Writes a report whole or not at all."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

# What `open` gives a new file, before the umask, which only setting it tells.
USUAL = 0o666


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
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".draft", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, _mode(target))
        os.replace(name, target)
    except BaseException:  # such as Ctrl-C
        with suppress(OSError):
            os.unlink(name)
        raise


def _mode(target: Path) -> int:
    """The permissions of the file or, if there is none yet, those of any new file."""
    with suppress(OSError):
        return target.stat().st_mode & 0o777
    umask = os.umask(0)
    os.umask(umask)
    return USUAL & ~umask
