"""Comparisons of runs: `compare` makes one, and it shows and saves its findings."""

import os
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from keraskip.labels import in_one_line
from keraskip.report.files import as_csv, as_json
from keraskip.report.findings import Findings
from keraskip.report.markdown import as_markdown
from keraskip.report.notebook import as_cell
from keraskip.report.page import as_html
from keraskip.report.paper import WIDTHS, as_picture
from keraskip.report.replacing import check_place, replace_file
from keraskip.report.text import as_table, as_text
from keraskip.runs import Run, find_runs, load_run, opened

PICTURES = (".png", ".svg", ".pdf")
WRITTEN: dict[str, Callable[[Findings], str]] = {
    ".html": as_html,
    ".json": as_json,
    ".csv": as_csv,
    ".md": as_markdown,
}


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Findings):
    """Several runs side by side; `keraskip.compare` makes one.

    Attributes:
        runs: the runs, in the order given.
    """

    @property
    def findings(self) -> list[str]:
        """Sentences: networks, what is wrong with them, effects of skips, more depth."""
        return self.sentences

    def table(self) -> str:
        """The verdicts as a table of text, 80 columns wide."""
        return as_table(self)

    def __str__(self) -> str:
        """The answer, the table, and what to change."""
        return as_text(self)

    __repr__ = __str__

    def save(self, path: str | Path, width: str = "text") -> Path:
        """Writes the report.

        Args:
            path: its suffix chooses the contents: `.html`, one interactive file that needs no
                network; the charts alone as `.png`, `.svg` or `.pdf`; findings and table as `.md`;
                the numbers of the verdicts as `.csv`, or all numbers as `.json`.
            width: of the charts on paper: `"column"`, 89 mm, or `"text"`, 183 mm. No letter is
                smaller than 7 points there.

        Returns:
            The path.

        Raises:
            ValueError: for another suffix or width, or if a folder or a pipe lies there.
            OSError: if the file cannot be written, an earlier report there is left as it was;
                NotADirectoryError if its folder is missing.
        """
        path = Path(path)
        check_place(path)
        if width not in WIDTHS:
            raise ValueError(f"width must be one of {tuple(WIDTHS)}. Received: width={width!r}")
        if path.suffix in WRITTEN:
            replace_file(path, WRITTEN[path.suffix](self).encode("utf-8"))
        elif path.suffix in PICTURES:
            replace_file(path, as_picture(self.groups, path.suffix, width))
        else:
            choices = (*WRITTEN, *PICTURES)
            raise ValueError(f"A report ends in one of {choices}. Received: {path.name!r}")
        return path

    def _repr_html_(self) -> str:
        """In a notebook, the answer, the chart, a card for each network, and the table."""
        return as_cell(self)


def compare(*runs: str | Path | Run) -> Comparison:
    """Compares runs. One run is enough, and a run may be unfinished.

    Args:
        runs: run folders, folders of run folders, or runs that `load_run` returned. Of a folder of
            run folders, the runs that can be read are compared, and a warning names each other one
            and why. A run of several networks that are trained in turn, as in a GAN, is compared by
            its parts (`Run.parts`). Runs whose folders have the same name are called by the end of
            their paths that differs, as `exp1/run`.

    Raises:
        ValueError: without runs, if one is given twice, if a run that is given itself is damaged,
            or if none in a folder can be read.
        FileNotFoundError: if there is no run in one of the folders, nor inside it.

    Example:

    >>> compare("runs/plain56", "runs/resnet56").save("report.html")  # doctest: +SKIP
    PosixPath('report.html')
    """
    found = _told_apart([*chain.from_iterable(map(_runs_of, runs))])
    comparison = Comparison(tuple(part for run in found for part in run.parts))
    names = [run.name for run in comparison.runs]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"compare needs runs, each with a name of its own. Received: {names}")
    return comparison


def _runs_of(given: str | Path | Run) -> list[Run]:
    """The runs that one argument of `compare` names."""
    if isinstance(given, Run):
        return [given]
    folders = find_runs([given])
    if folders == [Path(given)]:
        return [load_run(given)]
    readable, reasons = opened(folders)
    for reason in reasons:
        warnings.warn(in_one_line(f"left out: {reason}"), stacklevel=3)
    return readable


def _told_apart(runs: Sequence[Run]) -> list[Run]:
    """The runs, where folders share a name with their paths from the last common folder on."""
    counts = Counter(run.name for run in runs)
    paths = {run.path.resolve() for run in runs if counts[run.name] > 1}
    if len(paths) < 2:
        return list(runs)
    common = os.path.commonpath([path.parent for path in paths])
    return [
        replace(run, label=run.path.resolve().relative_to(common).as_posix())
        if counts[run.name] > 1
        else run
        for run in runs
    ]
