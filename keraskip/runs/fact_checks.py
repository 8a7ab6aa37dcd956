"""Checks the entries of `run.json`, before they are written and when they are read."""

from collections.abc import Mapping
from typing import Any

import msgspec

from keraskip.runs.facts import Contents, Count, Epoch, Facts, Number

METRICS = list[dict[str, Number | list[Count] | None]]
COUNTS = set(Epoch.__struct_fields__)
# The writer itself puts them there.
OWN = ("schema_version", "weights", "epochs", "checksum")
# Lists within lists. No fact has as many levels, and to write more would take too deep a stack.
DEEPEST = 50


def check_facts(facts: Mapping[str, Any]) -> None:
    """ValueError if an entry has not the type and the range that an entry of its name must have."""
    for key in OWN:
        if key in facts:
            raise ValueError(f"`{key}` is an entry that keraskip itself writes")
    msgspec.convert(facts, Facts)
    _check_marks(facts)
    _check_depth(facts)


def check_contents(info: Mapping[str, Any]) -> None:
    """ValueError if an entry is missing, or has not the type and the range that it must have."""
    msgspec.convert(info, Contents)
    for number, row in enumerate(msgspec.convert(info["epochs"], METRICS)):
        for name, value in row.items():
            if name not in COUNTS and (value is None or isinstance(value, list)):
                raise ValueError(f"Expected a number - at `$.epochs[{number}]`, {name!r}")
    if len({"next_step" in row for row in info["epochs"]}) > 1:
        raise ValueError("Object missing required field `next_step` - at `$.epochs`")
    counts = [row["steps"] for row in info["epochs"]]
    if counts != sorted(counts):
        raise ValueError("Expected `steps` that rise - at `$.epochs`")
    _check_marks(info)
    _check_depth({key: value for key, value in info.items() if key not in Contents.__annotations__})


def _check_marks(info: Mapping[str, Any]) -> None:
    """ValueError unless the rows of lists have whole numbers where they have a step or an epoch.

    Such a row goes where the run goes on from before it. A list of other values than rows stays.
    """
    for key, rows in info.items():
        if not (isinstance(rows, list) and all(isinstance(row, dict) for row in rows)):
            continue
        for row in rows:
            if not all(type(row.get(name, 0)) is int for name in ("step", "epoch")):
                raise ValueError(f"Expected `int` as `step` and `epoch` - at `$.{key}`")


def _check_depth(value: Any, depth: int = 0) -> None:
    if depth > DEEPEST:
        raise ValueError(f"Expected lists within lists to a depth of {DEEPEST} at most")
    inside = value.values() if isinstance(value, Mapping) else value
    for each in inside if isinstance(inside, list | type({}.values())) else ():
        _check_depth(each, depth + 1)
