"""The names of trials and studies, which are names of folders on every system."""

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from unicodedata import normalize

# Bytes that leave room for the endings of drafts and locks, where a name may have 255.
LONGEST_NAME = 200
PORTS = [f"{port}{number}" for port in ("COM", "LPT") for number in range(10)]
DEVICES = {"CON", "PRN", "AUX", "NUL", *PORTS}


def is_plain(value: Any) -> bool:
    """Whether `value` can name a folder inside of another one on this system."""
    return isinstance(value, str) and value not in ("", "..") and value == Path(value).name


def check_file_name(argument: str, value: Any) -> None:
    """ValueError unless `value` can name a file or a folder on every system."""
    rule = ""
    if not is_plain(value) or "\\" in value:
        rule = "be a plain file name"
    elif value.startswith(".") or value[-1] in " .":
        rule = "not begin with a dot, nor end with a dot or a space"
    elif not value.isprintable() or set(value) & set('<>:"|?*'):
        rule = 'have no control characters, and none of <>:"|?*'
    elif len(value.encode()) > LONGEST_NAME:
        rule = f"take at most {LONGEST_NAME} bytes"
    elif value.partition(".")[0].upper() in DEVICES:
        rule = "not be the name of a device of Windows"
    if rule:
        near = re.sub(r"[^\w.+=,()-]+", "_", str(value)).strip("._ ")[: LONGEST_NAME // 4]
        raise ValueError(
            f"{argument} must {rule}. Received: {argument}={value!r:.{LONGEST_NAME}} "
            f"(nearest: {f'my_{near}' if 'device' in rule else near or 'mine'!r})"
        )


def check_new_name(argument: str, value: str, folder: str | Path) -> None:
    """`check_file_name`, but a folder that is there already keeps its name: its study goes on."""
    if value not in _names_in(folder):
        check_file_name(argument, value)


def check_folders(names: Sequence[str], out: str | Path) -> None:
    """Refuses names of trials that cannot be folders beside each other in `out`."""
    there = _names_in(out)
    taken = {"report.html": "report.html"}
    for name in names:
        check_new_name("name", name, out)
        # Many systems take upper and lower case for the same.
        folded = normalize("NFC", name).casefold()
        other = taken.setdefault(folded, name)
        if (other != name and not {name, other} <= there) or name == "report.html":
            raise ValueError(
                "The names of trials must differ from each other and from report.html by more than "
                f"upper and lower case. Received: {name!r} beside {other!r}"
            )


def _names_in(folder: str | Path) -> set[str]:
    with suppress(OSError):
        return {*os.listdir(folder)}
    return set()
