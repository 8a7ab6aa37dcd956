"""The folders that runs lie in: which are there, which is free, and which run goes on."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import count, takewhile
from pathlib import Path
from typing import Any

import pyarrow as pa

from keraskip.runs.info import (
    DRAFT_FILE,
    INFO_FILE,
    LOCK_FILE,
    STEPS_DRAFT,
    STEPS_FILE,
    alike,
    read_info,
)
from keraskip.runs.reading import load_run
from keraskip.runs.run import Run


def claimed(path: str | Path) -> Path:
    """A folder without a run, taken so that no other process takes it: this one, or one beside it.

    The folders beside `runs/mine` are `runs/mine-2`, `runs/mine-3` and so on.
    """
    for folder in _beside(Path(path)):
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError), open(folder / STEPS_FILE, "xb"):
            return folder
    raise AssertionError("there is always another folder")


def release(path: Path) -> None:
    """Gives a folder back that `claimed` took, where no run could begin."""
    if (path / INFO_FILE).exists():
        return
    with suppress(OSError):
        for name in STEPS_FILE, STEPS_DRAFT, DRAFT_FILE, LOCK_FILE:
            (path / name).unlink(missing_ok=True)
        path.rmdir()  # unless it holds something else


def runs_beside(path: str | Path) -> list[Path]:
    """The folders that `claimed` gave out and that hold a run, the last one first."""
    folders = takewhile(lambda folder: (folder / INFO_FILE).is_file(), _beside(Path(path)))
    return list(folders)[::-1]


def kept_epochs(
    path: Path,
    epoch: int,
    record: tuple[Sequence[Mapping[str, Any]], Sequence[str], Sequence[str]],
    info: Mapping[str, Any],
    size: float | None,
) -> int:
    """How many epochs of the run here a training keeps that begins with a later epoch.

    0 unless it is the same training: it has the weights that the run had after the epoch before,
    and at most one epoch is taken anew, so that nothing is lost that was recorded.

    Args:
        path: a run folder.
        epoch: the epoch with which the training begins.
        record: weights, statistics and scalars, as `RunWriter` takes them.
        info: the facts of the training for `run.json`.
        size: norm of all recorded weights.
    """
    try:
        known = read_info(path)
    except ValueError:  # of another version
        return 0
    numbers = [row["epoch"] for row in known["epochs"]]
    if not numbers or numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        return 0
    kept = epoch - numbers[0]
    most = kept if known["status"] == "finished" else kept + 1
    if not 0 < kept <= len(numbers) <= most:
        return 0
    last = known["epochs"][kept - 1]
    is_same = all(known.get(key) == info.get(key) for key in ("gradient", "optimizers"))
    is_same &= _is_close(last.get("weights_norm"), size)
    return kept if is_same and _holds(path, *record, rows=last["steps"]) else 0


def _is_close(one: Any, other: Any) -> bool:
    return None not in (one, other) and math.isclose(float(one), float(other), rel_tol=1e-6)


def _holds(
    path: Path,
    weights: Sequence[Mapping[str, Any]],
    statistics: Sequence[str],
    scalars: Sequence[str],
    rows: int,
) -> bool:
    """Whether a run holds this many steps of these weights, statistics and scalars."""
    with suppress(OSError, ValueError, pa.ArrowInvalid):
        run = load_run(path)
        names = (list(run.scalars), list(run.statistics)) == (list(scalars), list(statistics))
        return names and alike(run.info["weights"]) == alike(weights) and len(run.steps) >= rows
    return False


def _beside(path: Path) -> Iterator[Path]:
    yield path
    yield from (path.with_name(f"{path.name}-{number}") for number in count(2))


def find_runs(paths: Sequence[str | Path]) -> list[Path]:
    """The run folders among `paths`, and directly inside them in the order of training.

    Raises:
        FileNotFoundError: if a path neither is nor holds a run folder.
    """
    return [folder for path in paths for folder in _runs_at(Path(path))]


def opened(paths: Sequence[str | Path]) -> tuple[list[Run], list[str]]:
    """The runs that can be read, and for each other one a sentence that says why it cannot.

    Raises:
        FileNotFoundError: if there are folders, and no run in any of them.
        ValueError: if there are folders, and none of them can be read.
    """
    runs, errors = [], []
    for path in paths:
        try:
            runs.append(load_run(path))
        except (ValueError, OSError) as error:
            errors.append(error)
    reasons = [str(error) for error in errors]
    if reasons and not runs:
        more = f" Nor can {len(reasons) - 1} others be read." if len(reasons) > 1 else ""
        are_gone = all(isinstance(error, FileNotFoundError) for error in errors)
        raise (FileNotFoundError if are_gone else ValueError)(reasons[0] + more)
    return runs, reasons


def _runs_at(path: Path) -> list[Path]:
    if not path.is_dir():
        raise FileNotFoundError(f"There is no folder {path}.")
    if (path / INFO_FILE).exists():
        return [path]
    inside = [file.parent for file in path.glob(f"*/{INFO_FILE}")]
    if not inside:
        raise FileNotFoundError(f"There is no run in {path}, nor in the folders inside it.")
    return sorted(inside, key=_start)


def _start(folder: Path) -> tuple[str, str]:
    """Orders runs as they were trained; runs that started in the same second, by name."""
    with suppress(ValueError, OSError):  # told when it is opened
        return read_info(folder).get("started", ""), folder.name
    return "", folder.name
