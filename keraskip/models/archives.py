"""A .keras file, checked before Keras reads it. Loads no framework."""

import json
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

from keraskip.files import check_file, excess, first_words

SUFFIX = ".keras"
CONFIG = "config.json"
# The errors of zipfile for damaged bytes.
DAMAGES = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError,
    OverflowError, KeyError, ValueError, struct.error,
)  # fmt: skip
# Every file of Keras holds its configuration and one of these files of weights.
WEIGHTS = {"model.weights.h5", "model.weights.npz"}
# The 1,202 layers of the deepest named network take 2 MB and 9 levels.
MOST_CONFIG_BYTES, MOST_LEVELS = 2**26, 100
# A layer has a weight for each of these at the least. Keras makes its weights before it reads any,
# and a file of a few bytes would take all memory.
WIDTHS = {"units", "filters", "input_dim", "output_dim"}


def check_archive(path: str | os.PathLike) -> None:
    """ValueError for a file that is cut, damaged, of another format, or claims too much.

    Keras itself goes on without the checksum if the weights do not have it.
    """
    read_config(path)
    try:
        with zipfile.ZipFile(path) as archive:
            names, damaged = archive.namelist(), archive.testzip()
    except DAMAGES as error:
        raise refusal(path, f"is damaged ({first_words(error)})") from None
    if damaged is not None:
        raise refusal(path, f"is damaged in {damaged!r}")
    if WEIGHTS.isdisjoint(names):
        raise refusal(path, f"has no {' or '.join(sorted(WEIGHTS))}")


def read_config(path: str | os.PathLike) -> dict[str, Any]:
    """The configuration in a .keras file.

    Raises:
        FileNotFoundError: for a missing file.
        ValueError: for a file that is no archive, without a configuration, or with one that is no
            plausible JSON.
    """
    check_file(path)
    if not zipfile.is_zipfile(path):
        raise refusal(path, "is cut or of another format")
    text, size, reason = b"", 0, ""
    try:
        with zipfile.ZipFile(path) as archive:
            if not (reason := _faults(archive) or excess(archive, path)):
                text = archive.read(CONFIG)
                size = sum(info.file_size for info in archive.infolist())
    except DAMAGES as error:
        reason = f"is damaged ({first_words(error)})"
    if reason:
        raise refusal(path, reason)
    return _parsed(text, size, path)


def refusal(path: str | os.PathLike, reason: str) -> ValueError:
    """The error for a file that is none of Keras."""
    return ValueError(
        f"path must be a whole {SUFFIX} file, as model.save writes it. "
        f"Received: path={os.fspath(path)!r}, which {reason}"
    )


def _faults(archive: zipfile.ZipFile) -> str:
    """In words, what the directory of an archive lacks; empty if nothing."""
    sizes = {info.filename: info.file_size for info in archive.infolist()}
    if CONFIG not in sizes:
        return f"has no {CONFIG}"
    if sizes[CONFIG] > MOST_CONFIG_BYTES:
        return f"has a {CONFIG} of {sizes[CONFIG]:,} bytes, of at most {MOST_CONFIG_BYTES:,}"
    return "has two parts of one name" if len(sizes) < len(archive.infolist()) else ""


def _parsed(text: bytes, size: int, path: str | os.PathLike) -> dict[str, Any]:
    """The configuration of an archive that unpacks to this size."""
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise refusal(path, f"has a damaged {CONFIG} ({first_words(error)})") from None
    levels = list(_levels(config))
    if not isinstance(config, dict) or len(levels) > MOST_LEVELS:
        wanted = f"an object of at most {MOST_LEVELS} levels"
        raise refusal(path, f"has a {CONFIG} that is not {wanted}")
    widths = [
        node[key]
        for nodes in levels
        for node in nodes
        if isinstance(node, dict)
        for key in WIDTHS & node.keys()
        if isinstance(node[key], int)
    ]
    if max(widths, default=0) > size:
        raise refusal(path, f"has a layer of {max(widths):,} units, but no weights for them")
    return config


def _levels(node: Any) -> Iterator[list[Any]]:
    """The objects and lists of a configuration, level by level."""
    nodes = [node] if isinstance(node, dict | list) else []
    while nodes:
        yield nodes
        nodes = [
            inner
            for each in nodes
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
