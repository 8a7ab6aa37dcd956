"""Tells what is wrong with a training while it goes on, and its diagnosis at the end."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from keraskip.callbacks.book.looks import Looks
from keraskip.callbacks.book.warning import warn
from keraskip.labels import visible
from keraskip.runs import STEPS_FILE, Run, load_run

# A larger record takes seconds to read, and its size in memory.
LARGEST = 2**28
# With fewer recorded steps nothing is known but what the first one shows.
FEWEST_STEPS = 20
MOST_LINES = 6


class Telling:
    """Reads the run folder as far as it is written, and prints what is found there.

    Lines about an epoch wait until the progress bar has ended its own. The analysis is imported
    when it is needed. If it fails, a warning says so, nothing more is told, and training goes on.

    Args:
        is_loud: whether to print.
        stops: whether to end a training that cannot recover.

    Attributes:
        stopped: why the training was ended; empty if it was not.
    """

    def __init__(self, is_loud: bool, stops: bool) -> None:
        self._is_loud, self._stops, self._is_on = is_loud, stops, is_loud or stops
        self.stopped = ""
        self._looks = Looks()
        self._told: set[str] = set()
        self._waiting: list[str] = []
        # Whether steps were recorded since the last diagnosis.
        self._has_rows = False

    def begin(self, folder: Path) -> None:
        """Tells what is wrong before the first step, when a run begins or goes on."""
        self.stopped = ""
        self._try(self._tell_at_once, folder, {})

    def add(self, folder: Path, facts: Mapping[str, Any]) -> None:
        """Tells what the first recorded steps show; later ones are only noted.

        Args:
            folder: of the run.
            facts: what is known and not yet in `run.json`.
        """
        if not self._has_rows:
            self._has_rows = True
            self._try(self._tell_at_once, folder, facts)

    def end_epoch(self, folder: Path, epoch: int, may_stop: bool) -> None:
        """Looks for what has become certain, to be told before the next epoch.

        Args:
            folder: of the run.
            epoch: number of the epoch that has ended.
            may_stop: whether this process may end the training.
        """
        if self._is_on and self._looks.is_due():
            with self._looks.measured():
                self._try(self._look, folder, epoch, may_stop)

    def print_waiting(self) -> None:
        """Prints what the last epoch showed, below its progress bar."""
        self._print(self._waiting)
        self._waiting = []

    def end(self, folder: Path) -> None:
        """Prints the diagnosis of a training that has ended, in at most six lines."""
        self.print_waiting()
        if self._has_rows and self._is_loud:
            self._try(self._print_diagnosis, folder)
        self._has_rows = False

    def _try(self, look: Callable[..., None], *arguments: Any) -> None:
        """Lets nothing that goes wrong in a look end the training."""
        if not self._is_on:
            return
        try:
            look(*arguments)
        except Exception as error:
            self._is_on = False
            reason = f"{type(error).__name__}: {error}"
            warn(f"The training is no longer diagnosed, and goes on: {reason}")

    def _tell_at_once(self, folder: Path, facts: Mapping[str, Any]) -> None:
        from keraskip.analysis.certainty import certain_at_once

        run = readable(folder)
        if run is None or len(run.steps) >= FEWEST_STEPS:  # a run that goes on
            return
        for finding in certain_at_once(replace(run, info={**run.info, **facts})):
            self._tell(finding.kind, f"keraskip: {finding}")
        self.print_waiting()

    def _look(self, folder: Path, epoch: int, may_stop: bool) -> None:
        from keraskip.analysis.certainty import first_findings, lost_weights, standstill
        from keraskip.analysis.learning import learning_of

        run = readable(folder)
        if run is None or len(run.steps) < FEWEST_STEPS:
            return
        learning = learning_of(run)
        end = lost_weights(run, learning)
        found = first_findings(run)
        certain = self._looks.stay({finding.kind for finding in found})
        for finding in found:
            if end or finding.kind in certain:
                self._tell(finding.kind, f"keraskip, after epoch {epoch + 1}: {finding}")
        # A rate of 0 may be the beginning of a schedule; what stays is not.
        end = end or (standstill(run, learning) if certain else "")
        if end and self._stops and may_stop:
            self.stopped = end
            self._waiting.append(f"keraskip: training stops, as it cannot recover: {end}.")

    def _print_diagnosis(self, folder: Path) -> None:
        from keraskip.analysis.words import diagnosis

        run, more = readable(folder), f"More: keraskip report {visible(shlex.quote(str(folder)))}"
        first, *rest = diagnosis(run) if run else ["the record is too large to be read here."]
        # A training that goes well has one line.
        lines = [first, *rest[: MOST_LINES - 2], more] if rest else [f"{first} {more}"]
        self._print([f"keraskip: {lines[0]}", *lines[1:]])

    def _tell(self, kind: str, line: str) -> None:
        """Tells of a kind of finding once."""
        if kind not in self._told:
            self._told.add(kind)
            self._waiting.append(line)

    def _print(self, lines: Sequence[str]) -> None:
        if lines and self._is_loud:
            print(*lines, sep="\n", flush=True)


def readable(folder: Path) -> Run | None:
    """The run as far as it is written, unless it is too large to be read in between."""
    from keraskip.analysis.labelled import labelled

    is_small = (folder / STEPS_FILE).stat().st_size <= LARGEST
    return labelled(load_run(folder)) if is_small else None
