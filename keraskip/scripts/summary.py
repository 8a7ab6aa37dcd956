"""What is said when a script has ended: the diagnosis of each fit, and where the page is."""

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from keraskip.scripts.fits import Fits

if TYPE_CHECKING:
    from keraskip.runs import Run

# The most lines for a fit, and the most fits that are shown.
MOST_LINES, MOST_FITS = 6, 10
PAGE = "report.html"
BATCHES = (
    " `train_on_batch` is not recorded: train by `fit`, or record your loop with "
    "`keraskip.GradientRecorder(folder).recording(model)`."
)


def summary(fits: Fits, failed: bool, code: str = "script") -> list[str]:
    """Writes the report page beside the runs, and says what was found.

    Args:
        fits: the fits of the script, which has ended.
        failed: whether an exception ended it.
        code: what it is.

    Returns:
        Lines: at most six for each fit, and last the path of the page; without runs, a sentence.
    """
    notes = [f"keraskip: {note}" for note in fits.notes]
    if not fits.runs:
        return notes if fits.notes else [f"keraskip: {_nothing(fits, failed, code)}"]
    try:
        return [*notes, *_answers(fits)]
    except Exception as error:  # the training is over, and has its own exit code
        place = fits.shown(fits.folder)
        reason = f"{type(error).__name__}: {error}"
        return [*notes, f"keraskip: the runs are in {place}, and cannot be reported: {reason}"]


def _nothing(fits: Fits, failed: bool, code: str) -> str:
    """Why there is no run."""
    if fits.count:
        return "no `fit` came to the first step of its optimizer, so nothing is recorded."
    ended = "ended by an exception before it called a" if failed else "called no"
    sentence = f"the {code} {ended} `fit` of Keras in this process, so nothing is recorded."
    return sentence + (BATCHES if fits.has_batches else "")


def _answers(fits: Fits) -> list[str]:
    from keraskip.report.comparison import compare
    from keraskip.runs import load_run

    runs = [load_run(folder) for folder in fits.runs]
    answers = [_answer(run) for run in runs]
    page = compare(*runs).save(fits.folder / PAGE)
    shown = sorted(answers, key=len, reverse=True)[:MOST_FITS]
    lines = [line for answer in answers if answer in shown for line in answer]
    if len(answers) > MOST_FITS:
        lines.append(f"{len(answers) - MOST_FITS} more fits are on the page.")
    place = fits.shown(fits.folder)
    count = "1 fit is" if len(runs) == 1 else f"{len(runs)} runs are"
    return [f"keraskip: {count} recorded in {place}", *lines, fits.shown(page)]


def _answer(run: "Run") -> list[str]:
    from keraskip.analysis.words import diagnosis

    first, *others = diagnosis(run)[:MOST_LINES]
    return [f"{run.name}: {first}", *others]


def check_folder(folder: Path) -> None:
    """OSError unless a folder can be written; leaves none that was not there."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"Runs cannot be written to {folder}.")
    for path in missing:
        with suppress(OSError):  # another script has begun there
            path.rmdir()
