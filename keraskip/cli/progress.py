"""Progress bars of a study on stderr."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import TaskID

    from keraskip.study import Progress, Trial


@contextmanager
def progress_bars(trials: Sequence["Trial"]) -> Iterator["Progress"]:
    """A bar for the epochs of the whole study, and one for each trial that trains."""
    with _new_bars() as bars:
        study = bars.add_task("all trials", total=sum(trial.epochs for trial in trials))
        rows: dict[str, TaskID] = {}
        done: dict[str, int] = {}

        def show(number: int, trial: "Trial", epochs: int) -> None:
            if trial.name not in rows and epochs < trial.epochs:
                rows[trial.name] = bars.add_task(trial.name, total=trial.epochs)
            done[trial.name] = epochs
            bars.update(study, completed=sum(done.values()))
            if trial.name in rows:
                hidden = epochs == trial.epochs
                bars.update(rows[trial.name], completed=epochs, visible=not hidden)

        yield show


def _new_bars() -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description:<20}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("epochs,"),
        TimeElapsedColumn(),
        TextColumn("elapsed,"),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=Console(stderr=True),
    )
