"""Files from elsewhere: looked at before they are read. Loads no framework."""

import os
import stat
import zipfile
from pathlib import Path

from keraskip.labels import visible

# An archive may unpack to this many times its size; up to `ALWAYS_ALLOWED` bytes, to any number of
# times. Deflate packs zeros 1,000 to 1; images and weights reach a tenth of that.
MOST_EXPANSION = 100
ALWAYS_ALLOWED = 2**28
KINDS = {
    stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
}  # fmt: skip
# No error of a foreign reader is shown with more letters: some hold a whole configuration.
MOST_LETTERS = 300


def check_file(path: str | os.PathLike) -> None:
    """FileNotFoundError for a path where nothing is, ValueError unless it is a regular file.

    To open a pipe waits until somebody writes into it, and a device may never end.
    """
    try:
        kind = stat.S_IFMT(os.stat(path).st_mode)
    # A ValueError for a path that no system can have, such as one with a zero byte.
    except (FileNotFoundError, ValueError):
        raise FileNotFoundError(f"There is no file {shown(path)}.") from None
    if kind != stat.S_IFREG:
        raise ValueError(
            f"A regular file is needed. Received: {shown(path)}, "
            f"which is {KINDS.get(kind, 'another kind of file')}"
        )


def excess(archive: zipfile.ZipFile, path: str | os.PathLike) -> str:
    """In words, that the directory of an archive claims too much; empty if it does not."""
    packed = Path(path).stat().st_size
    unpacked = sum(info.file_size for info in archive.infolist())
    if unpacked <= max(ALWAYS_ALLOWED, MOST_EXPANSION * packed):
        return ""
    return (
        f"holds {unpacked:,} bytes in {packed:,}, and may unpack to {MOST_EXPANSION} times its "
        f"size, or {ALWAYS_ALLOWED:,} bytes"
    )


def shown(path: str | os.PathLike) -> str:
    """A path for a message: on one line, with nothing in it that a terminal would obey."""
    return visible(str(os.fspath(path)))


def first_words(error: BaseException) -> str:
    """What an error says, on one line and short; its class if it says nothing."""
    text = visible(" ".join(str(error).split()))
    short = text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]}..."
    return short or type(error).__name__
