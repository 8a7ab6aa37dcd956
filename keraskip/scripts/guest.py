"""The recorder in a script that knows nothing of it: its output and its logs stay as they are."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from keraskip.callbacks.book.telling import Telling
from keraskip.callbacks.hook.recorder import GradientRecorder


class Guest(GradientRecorder):
    """Records a `fit` that did not ask for it.

    Args:
        run_dir: the folder to write.
        every: as of `GradientRecorder`.
        layers: as of `GradientRecorder`.
        stop: whether to end a training that cannot recover.
        say: prints lines.

    Attributes:
        failure: why nothing is recorded; empty if it is.
    """

    def __init__(
        self,
        run_dir: Path,
        every: int,
        layers: str | None,
        stop: bool,
        say: Callable[[Sequence[str]], None],
    ) -> None:
        super().__init__(run_dir, every=every, layers=layers, on_finding="stop" if stop else None)
        self._record._telling = _Findings(stop, say)
        self.failure = ""

    @property
    def has_run(self) -> bool:
        """Whether the run has begun."""
        return self._record.journal.is_open

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Hook into the training step."""
        self.failure = ""
        with self._sparing_the_script():
            super().on_train_begin(logs)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Start the run before the first epoch, or go on with it."""
        with self._sparing_the_script():
            super().on_epoch_begin(epoch, logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Write the steps; progress bar and history do not get the norms."""
        with self._sparing_the_script():
            super().on_epoch_end(epoch, dict(logs or {}))

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        """Write what is left, and end the run."""
        with self._sparing_the_script():
            super().on_train_end(logs)

    def _tell_why_not(self, reason: str) -> None:
        self.failure = reason

    def _goes_on_without(self, error: Exception) -> bool:
        self._leave(error)
        return True

    def _leave(self, error: Exception) -> None:
        """Leaves the training step, with the reason noted."""
        self._records, self.failure = False, str(error)
        with suppress(Exception):  # it may be attached in part
            self._record.end("interrupted")

    @contextmanager
    def _sparing_the_script(self) -> Iterator[None]:
        """Where nothing can be recorded, the training goes on without."""
        try:
            yield
        except Exception as error:
            self._leave(error)


class _Findings(Telling):
    """Tells what is wrong while it trains; the diagnosis follows when the script has ended."""

    def __init__(self, stops: bool, say: Callable[[Sequence[str]], None]) -> None:
        super().__init__(True, stops)
        self._say = say

    def end(self, folder: Path) -> None:
        """Prints what the last epoch showed."""
        self.print_waiting()
        self._has_rows = False

    def _print(self, lines: Sequence[str]) -> None:
        self._say(lines)
