"""The trackers of a recorder: known by name or made by the user, each for itself."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from keraskip.callbacks.book.mlflow import MLflowTracker
from keraskip.callbacks.book.tensorboard import TensorBoardTracker
from keraskip.callbacks.book.tracker import Tracker, step_logs
from keraskip.callbacks.book.wandb import WandbTracker
from keraskip.callbacks.book.warning import warn
from keraskip.callbacks.columns import Rows
from keraskip.checks import check_choice
from keraskip.versions import is_installed

# By the name of the package, which is the name of the extra, too.
BY_NAME: dict[str, type[Tracker]] = {
    "tensorboard": TensorBoardTracker,
    "wandb": WandbTracker,
    "mlflow": MLflowTracker,
}
METHODS = ("open", "add", "close")


def made_trackers(trackers: Sequence[str | Tracker], tensorboard: bool) -> list[Tracker]:
    """The trackers, those known by name made, once they can be used."""
    if isinstance(trackers, str) or not isinstance(trackers, Sequence):
        raise TypeError(
            "trackers must be a list of names and trackers, such as ['wandb']. "
            f"Received: trackers={trackers!r}"
        )
    named = ["tensorboard"] * bool(tensorboard) + list(trackers)
    return [_made(one) for place, one in enumerate(named) if one not in named[:place]]


def _made(tracker: str | Tracker) -> Tracker:
    if isinstance(tracker, str):
        check_choice("Each of trackers", tracker, tuple(BY_NAME))
        if not is_installed(tracker):
            raise ImportError(
                f"The tracker {tracker!r} needs the package {tracker}: "
                f"pip install 'keraskip[{tracker}]'"
            )
        return BY_NAME[tracker]()
    missing = [name for name in METHODS if not callable(getattr(tracker, name, None))]
    if missing or isinstance(tracker, type):
        raise TypeError(
            "Each of trackers must be a name or an object with the methods open, add and close, "
            f"see keraskip.callbacks.book.tracker.Tracker. Received: {tracker!r}"
        )
    return tracker


class Trackers:
    """Hands the recorded steps to trackers. One that fails stops with a warning, alone.

    Args:
        trackers: from `made_trackers`.
    """

    def __init__(self, trackers: Sequence[Tracker]) -> None:
        self._trackers = list(trackers)
        self._folder = Path()
        self._weights: Sequence[Mapping[str, Any]] = []
        self._columns: Sequence[str] = ()
        self._is_open = False

    def open(
        self,
        folder: Path,
        weights: Sequence[Mapping[str, Any]],
        columns: Sequence[str],
        resume_from: int,
    ) -> None:
        """Begins, or goes on with, a run.

        Args:
            folder: the run folder.
            weights: the recorded weights.
            columns: the columns of the rows.
            resume_from: see `Tracker.open`.
        """
        self._folder, self._weights, self._columns = folder, weights, columns
        self._is_open = True
        self._each("open", folder, resume_from)

    def add(self, rows: Rows) -> None:
        """Shows rows."""
        if self._is_open and self._trackers:
            self._each("add", step_logs(self._weights, self._columns, rows))

    def close(self, status: str) -> None:
        """Ends all that are open."""
        if self._is_open:
            self._is_open = False
            self._each("close", status)

    def _each(self, method: str, *arguments: Any) -> None:
        for tracker in list(self._trackers):
            try:
                getattr(tracker, method)(*arguments)
            except Exception as error:
                self._trackers.remove(tracker)
                with suppress(Exception):
                    tracker.close("interrupted")
                warn(
                    f"{type(tracker).__name__} has stopped at {type(error).__name__}: {error}. "
                    f"The record in {self._folder} and the training go on."
                )
