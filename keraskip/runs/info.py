"""The files of a run folder, and the facts in `run.json`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SCHEMA_VERSION = 1
INFO_FILE = "run.json"
# `run.json` while it is written.
DRAFT_FILE = f".{INFO_FILE}.draft"
STEPS_FILE = "steps.arrow"


def read_info(path: str | Path) -> dict[str, Any]:
    """The contents of `run.json` in a run folder.

    Raises:
        FileNotFoundError: if there is no run in the folder.
        ValueError: if the folder was written by a version of keraskip with another format.
    """
    path = Path(path)
    if not (path / INFO_FILE).is_file():
        raise FileNotFoundError(f"There is no run in {path}: it has no {INFO_FILE}.")
    info = json.loads((path / INFO_FILE).read_text(encoding="utf-8"))
    if info["schema_version"] != SCHEMA_VERSION:
        raise ValueError(
            f"This version of keraskip reads run format {SCHEMA_VERSION}. "
            f"Received: format {info['schema_version']} in {path}"
        )
    return info


def epoch_row(path: str | Path, epochs: int) -> dict[str, Any]:
    """The log of the epoch that is number `epochs`, from 1; ValueError if the run has fewer."""
    rows = read_info(path)["epochs"]
    if epochs > len(rows):
        raise ValueError(
            f"A run goes on after an epoch that it has. Received: initial_epoch={epochs}, "
            f"and {len(rows)} epochs in {path}"
        )
    return rows[epochs - 1]


def alike(weights: Sequence[Mapping[str, Any]]) -> list:
    """The facts of weights that stay as they are when Keras counts the names of layers on."""
    return [(row["role"], row["depth"], list(row["shape"])) for row in weights]
