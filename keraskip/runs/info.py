"""The files of a run folder, and the facts in `run.json`."""

import json
import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from keraskip.files import check_file
from keraskip.runs.fact_checks import check_contents

SCHEMA_VERSION = 1
INFO_FILE = "run.json"
# Held by who records. It stays, as its removal could let two hold it.
LOCK_FILE = ".recording.lock"
# `run.json` while it is written.
DRAFT_FILE = f".{INFO_FILE}.draft"
STEPS_FILE = "steps.arrow"
STEPS_DRAFT = f".{STEPS_FILE}.draft"
# The facts of ten thousand layers and as many epochs take a tenth of it.
MOST_BYTES = 2**27
# The end of `run.json`. A bit that flips in it leaves its form, or leaves no JSON.
SEAL = re.compile(rb',\n "(.{8})": "(.{8})"\n\}\Z', re.DOTALL)


def read_info(path: str | Path) -> dict[str, Any]:
    """The contents of `run.json` in a run folder.

    Raises:
        FileNotFoundError: if there is no run in the folder.
        ValueError: if the folder was written by a version of keraskip with another format, or the
            file is damaged; the message names the file, and the entry where there is one.
    """
    file = Path(path) / INFO_FILE
    try:
        check_file(file)
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(f"There is no run in {path}: it has no {INFO_FILE}.") from None
    size = file.stat().st_size
    if size > MOST_BYTES:
        raise ValueError(f"{file} must have at most {MOST_BYTES:,} bytes. Received: {size:,} bytes")
    data = file.read_bytes()
    try:
        return _checked(data)
    except RecursionError:
        raise ValueError(f"{file} is damaged: it holds lists within lists without end.") from None
    except ValueError as error:
        raise ValueError(f"{file} is damaged: {error}") from None


def _checked(data: bytes) -> dict[str, Any]:
    """The contents, without the checksum; ValueError if they break a rule."""
    info = _decoded(data)
    version = info.get("schema_version") if isinstance(info, dict) else None
    if type(version) is not int or version != SCHEMA_VERSION:
        raise ValueError(
            f"this version of keraskip reads run format {SCHEMA_VERSION}. "
            f"Received: format {version!r}"
        )
    check_contents(info)
    # Earlier versions wrote no checksum, and other programs leave it in a file of another form.
    seal = SEAL.search(data)
    if seal and seal.groups() != (b"checksum", _checksum(data[: seal.start()])):
        raise ValueError(
            "its checksum does not fit. If you have changed it yourself, remove `checksum`"
        )
    info.pop("checksum", None)
    return info


def _decoded(data: bytes) -> Any:
    """The value of JSON, with a question mark for each half of a surrogate pair.

    Python writes such halves, as in the path of a script that is no UTF-8; nothing can show them.
    """
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError:
        text = json.dumps(json.loads(data.decode()), ensure_ascii=False)
        return msgspec.json.decode(text.encode("utf-8", "replace"))


def as_text(info: Mapping[str, Any]) -> str:
    """The contents of `run.json` as JSON, with a checksum at their end."""
    text = json.dumps(info, indent=1, allow_nan=False).removesuffix("\n}")
    return f'{text},\n "checksum": "{_checksum(text.encode()).decode()}"\n}}'


def _checksum(data: bytes) -> bytes:
    return f"{zlib.crc32(data):08x}".encode()


def epoch_row(path: str | Path, epochs: int) -> dict[str, Any]:
    """The log of the epoch that is number `epochs`, from 1; ValueError if the run has fewer."""
    rows = read_info(path)["epochs"]
    if epochs > len(rows):
        raise ValueError(
            f"A run goes on after an epoch that it has. Received: initial_epoch={epochs}, "
            f"and {len(rows)} epoch{'s' * (len(rows) != 1)} in {path}"
        )
    return rows[epochs - 1]


def alike(weights: Sequence[Mapping[str, Any]]) -> list:
    """The facts of weights that stay as they are when Keras counts the names of layers on."""
    return [(row["role"], row["depth"], list(row["shape"])) for row in weights]
