"""Reads a run folder: facts and steps as arrays, whole or cut off."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from keraskip.files import check_file
from keraskip.runs.batches import Batches, read_batches
from keraskip.runs.info import INFO_FILE, STEPS_FILE, read_info
from keraskip.runs.run import Run

# How often a run is read that changes meanwhile.
LOOKS = 5
# The columns that the analysis asks for: of each weight, which every run has, and of each step.
OF_WEIGHTS = ("grad_norm", "grad_nonfinite", "weight_norm", "update_norm", "frozen")
OF_STEPS = ("loss_scale", "clip_factor", "learning_rate", "optimizer", "loss", "input_min",
            "input_max", "input_mean", "input_nonfinite")  # fmt: skip


def load_run(path: str | Path) -> Run:
    """Reads a run folder; the run may still go on, or may have been killed.

    Args:
        path: the folder that was given to `GradientRecorder`.

    Raises:
        FileNotFoundError: if there is no run in the folder.
        ValueError: if the folder was written by a version of keraskip with another format, or one
            of its two files is damaged; the message names the file. Batches of steps that are
            damaged are left out instead, see `Run.damaged`.

    Example:

    >>> run = load_run("runs/resnet56")  # doctest: +SKIP
    >>> run.grad_norm.shape  # doctest: +SKIP
    (225, 114)
    """
    path = Path(path)
    # Read anew where the run was replaced meanwhile, or went on from an earlier epoch.
    for _ in range(LOOKS):
        info, found, is_same = _read(path)
        rows = found.arrays.rows
        is_short = bool(info["epochs"]) and rows < info["epochs"][-1]["steps"]
        if is_same and not is_short:
            break
    if found.gaps and not rows:
        # The names of the columns may be what is damaged.
        raise ValueError(f"{path / STEPS_FILE} is damaged: no batch is as it was written.")
    weights = pd.DataFrame(info["weights"])
    columns = _columns(path, found, len(weights))
    steps = columns.pop("step")
    scalars = {name: data for name, data in columns.items() if data.ndim == 1}
    statistics = {name: data for name, data in columns.items() if data.ndim == 2}
    _check_steps(path, steps, scalars.get("optimizer"), info.get("optimizers", []))
    damaged = _damaged(found, steps)
    if is_short and not (damaged or found.truncated):
        damaged = ((int(steps[-1]) if rows else -1, None),)
    return Run(path, info, weights, steps, statistics, scalars, found.truncated, damaged)


def _read(path: Path) -> tuple[dict[str, Any], Batches, bool]:
    """Facts and steps, and whether they are of one run.

    A run that replaces another one begins a file of its own, between its removal of the earlier
    `run.json` and its own one.
    """
    if not (path / INFO_FILE).exists():
        read_info(path)  # says that there is no run
    check_file(path / STEPS_FILE)
    with open(path / STEPS_FILE, "rb") as file:
        info = read_info(path)
        found = read_batches(path / STEPS_FILE, file)
        now = os.stat(path / STEPS_FILE)
        return info, found, os.path.samestat(os.fstat(file.fileno()), now)


def _check_steps(
    path: Path, steps: np.ndarray, optimizer: np.ndarray | None, names: Sequence[str]
) -> None:
    """ValueError unless the steps of each optimizer rise from 0 on."""
    file = path / STEPS_FILE
    if names and optimizer is not None:
        numbers = np.unique(optimizer)
        if not np.isin(numbers, np.arange(len(names))).all():
            raise ValueError(f"{file} is damaged: it has optimizers {numbers}, and {names} train")
        rows = [steps[optimizer == number] for number in numbers]
    else:
        # Runs of several optimizers that were written before the column.
        rows = [steps] if len(names) < 2 else []
    if any(each[0] < 0 or (np.diff(each) <= 0).any() for each in rows if len(each)):
        raise ValueError(f"{file} is damaged: the numbers of its steps do not rise.")


def _columns(path: Path, found: Batches, width: int) -> dict[str, np.ndarray]:
    _check_columns(path / STEPS_FILE, found.schema, width)
    return {name: found.arrays.column(place) for place, name in enumerate(found.schema.names)}


def _check_columns(path: Path, schema: pa.Schema, width: int) -> None:
    """ValueError unless the file has the columns of a run, each of the type that its name has."""
    names = schema.names
    number, numbers = pa.float32(), pa.list_(pa.float32(), width)
    lacking = [name for name in ("step", *OF_WEIGHTS) if name not in names]
    if len(set(names)) < len(names) or lacking:
        raise ValueError(f"{path} is damaged: its columns are {names}.")
    kinds = {"step": (pa.int64(),)}
    kinds |= dict.fromkeys(OF_WEIGHTS, (numbers,)) | dict.fromkeys(OF_STEPS, (number,))
    for field in schema:
        if field.type not in kinds.get(field.name, (number, numbers)):
            raise ValueError(
                f"{path} must hold a float32 for each step, or for each weight in {INFO_FILE} "
                f"beside it. Received: {field.name} as {field.type}, and {width} weights"
            )


def _damaged(found: Batches, steps: np.ndarray) -> tuple[tuple[int, int | None], ...]:
    """See `Run.damaged`."""
    return tuple(
        (int(steps[row - 1]) if row else -1, int(steps[row]) if row < len(steps) else None)
        for row in found.gaps
    )
