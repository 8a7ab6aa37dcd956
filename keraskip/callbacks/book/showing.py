"""Shows a training below its notebook cell while it goes on: cards and the large chart."""

import sys
from pathlib import Path
from typing import Any

from keraskip.callbacks.book.looks import Looks
from keraskip.callbacks.book.telling import Telling, readable
from keraskip.callbacks.book.warning import warn


def made_telling(verbose: int, stops: bool) -> Telling:
    """What tells about a training: 0 nothing, 1 lines, 2 cards and a chart as well.

    Outside of a notebook 2 is 1.
    """
    return Showing(True, stops) if verbose > 1 and _shows_html() else Telling(bool(verbose), stops)


def _shows_html() -> bool:
    """Whether this is a cell of a notebook; IPython in a terminal shows text alone."""
    ipython = sys.modules.get("IPython")
    shell = getattr(ipython, "get_ipython", lambda: None)()
    formatter = getattr(shell, "display_formatter", None)
    return "text/html" in getattr(formatter, "active_types", ())


class Showing(Telling):
    """Tells what it finds, and redraws one display after epochs and at the end.

    It keeps to the limits of the looks (`Looks`): after 1, 2, 4, 8, ... epochs, and after others
    while redrawing takes less than 1 % of the time. If it fails, a warning says so, and telling and
    training go on.
    """

    def __init__(self, is_loud: bool, stops: bool) -> None:
        super().__init__(is_loud, stops)
        self._redraws, self._display, self._draws = Looks(), None, True

    def begin(self, folder: Path) -> None:
        """Each cell has a display of its own, also where a run goes on in another cell."""
        super().begin(folder)
        self._display = None

    def end_epoch(self, folder: Path, epoch: int, may_stop: bool) -> None:
        """Looks and redraws."""
        super().end_epoch(folder, epoch, may_stop)
        if self._redraws.is_due():
            with self._redraws.measured():
                self._draw(folder)

    def end(self, folder: Path) -> None:
        """Draws the whole training, above its diagnosis."""
        if self._has_rows:
            self._draw(folder)
        super().end(folder)

    def _draw(self, folder: Path) -> None:
        try:
            if self._draws:
                self._show(folder)
        except Exception as error:
            self._draws = False
            reason = f"{type(error).__name__}: {error}"
            warn(f"The training is no longer drawn, and goes on: {reason}")

    def _show(self, folder: Path) -> None:
        from IPython.display import HTML, display

        from keraskip.report.comparison import compare
        from keraskip.report.notebook import as_cell

        run = readable(folder)
        if run is None or not len(run.steps):
            return
        cell: Any = HTML(as_cell(compare(run), is_live=True))
        if self._display is None:
            self._display = display(cell, display_id=True)
        else:
            self._display.update(cell)
