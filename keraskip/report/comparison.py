"""Comparisons of runs: `compare` makes one, and it shows and saves its findings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.text import Text

from keraskip.report.charts import overview
from keraskip.report.files import as_csv, as_json, as_markdown
from keraskip.report.findings import Findings
from keraskip.report.page import as_html, as_summary
from keraskip.runs import Run, load_run
from keraskip.tables import add_row, new_table, printed

PICTURES = (".png", ".svg", ".pdf")
WRITTEN: dict[str, Callable[[Findings], str]] = {
    ".html": as_html,
    ".json": as_json,
    ".csv": as_csv,
    ".md": as_markdown,
}


@dataclass(frozen=True, eq=False)
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
        """The verdicts as a table of text."""
        table = new_table()
        for column in self.columns:
            side: Any = "left" if column in ("run", "verdict", "learning") else "right"
            table.add_column(Text(column), justify=side, no_wrap=column != "run")
        for row in self.rows:
            add_row(table, *row)
        return printed(table)

    def save(self, path: str | Path) -> Path:
        """Writes the report.

        Args:
            path: its suffix chooses the contents: `.html`, one interactive file that needs no
                network; the charts alone as `.png`, `.svg` or `.pdf`; findings and table as `.md`;
                the numbers of the verdicts as `.csv`, or all numbers as `.json`.

        Returns:
            The path.

        Raises:
            ValueError: for another suffix.
            OSError: if the file cannot be written.
        """
        path = Path(path)
        if path.suffix in WRITTEN:
            path.write_text(WRITTEN[path.suffix](self), encoding="utf-8")
        elif path.suffix in PICTURES:
            # A PNG with twice the pixels of the screen, for print.
            overview(self.groups).save(path, scale_factor=2 if path.suffix == ".png" else 1)
        else:
            choices = (*WRITTEN, *PICTURES)
            raise ValueError(f"A report ends in one of {choices}. Received: {path.name!r}")
        return path

    def _repr_html_(self) -> str:
        """In a notebook, the table and the findings."""
        return as_summary(self)


def compare(*runs: str | Path | Run) -> Comparison:
    """Compares runs. One run is enough, and a run may be unfinished.

    Args:
        runs: run folders, or runs that `load_run` returned. A run of several networks that are
            trained in turn, as in a GAN, is compared by its parts (`Run.parts`).

        Runs whose folders have the same name are told apart by the folders around them, such as
        `exp1/run` and `exp2/run`.

    Raises:
        ValueError: without runs, or if one is given twice.
        FileNotFoundError: if there is no run in one of the folders.

    Example:

    >>> compare("runs/plain56", "runs/resnet56").save("report.html")  # doctest: +SKIP
    PosixPath('report.html')
    """
    opened = _told_apart([run if isinstance(run, Run) else load_run(run) for run in runs])
    loaded = tuple(part for run in opened for part in run.parts)
    names = [run.name for run in loaded]
    if not loaded or len(set(names)) < len(names):
        raise ValueError(f"compare needs runs, each with a name of its own. Received: {names}")
    return Comparison(loaded)


def _told_apart(runs: Sequence[Run]) -> list[Run]:
    """The runs, those of one name with as many of the folders around as tell them apart."""
    paths = [run.path.absolute().parts for run in runs]
    names = [run.path.name for run in runs]
    for count in range(2, max(map(len, paths), default=0) + 1):
        again = [names.count(name) > 1 for name in names]
        names = [
            "/".join(path[-count:]) if is_again else name
            for path, name, is_again in zip(paths, names, again, strict=True)
        ]
    return [
        run if name == run.path.name else replace(run, info={**run.info, "label": name})
        for run, name in zip(runs, names, strict=True)
    ]
