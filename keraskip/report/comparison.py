"""A comparison of runs: its findings in words, as a table, and as a report to open or to print."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from rich.text import Text

from keraskip.analysis import (
    Degradation,
    Effect,
    Group,
    Verdict,
    degradations,
    effects,
    grouped,
)
from keraskip.charts import overview
from keraskip.report import files, page, words
from keraskip.runs import Run, load_run
from keraskip.tables import add_row, new_table, printed

PICTURES = (".png", ".svg", ".pdf")
WRITTEN: dict[str, Callable[["Comparison"], str]] = {
    ".html": page.as_html,
    ".json": files.as_json,
    ".csv": files.as_csv,
    ".md": files.as_markdown,
}
COLUMNS = (
    "run",
    "verdict",
    "orders lost [95 %]",
    "1st grad.",
    "Δw:w",
    "frozen",
    "train",
    "held-out",
)


@dataclass(frozen=True, eq=False)
class Comparison:
    """Several runs side by side; `keraskip.compare` makes one.

    Attributes:
        runs: the runs, in the order given.
    """

    runs: tuple[Run, ...]

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """The finding about each run with its numbers."""
        found = {verdict.run: verdict for group in self.groups for verdict in group.verdicts}
        return [found[run.name] for run in self.runs]

    @cached_property
    def groups(self) -> list[Group]:
        """The runs of one network each, which differ in nothing but their seeds."""
        return grouped(self.runs)

    @cached_property
    def effects(self) -> list[Effect]:
        """What the skips changed: each network beside its plain twin."""
        return effects(self.groups)

    @cached_property
    def degradations(self) -> list[Degradation]:
        """Whether more depth hurts: each deeper network beside the shallowest of its family."""
        return degradations(self.groups)

    @property
    def findings(self) -> list[str]:
        """One sentence for each network, for what its skips changed, and for more depth."""
        return [
            *map(words.about_group, self.groups),
            *map(words.about_effect, self.effects),
            *map(words.about_degradation, self.degradations),
        ]

    @property
    def columns(self) -> tuple[str, ...]:
        """The heads of the table."""
        return COLUMNS

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The cells of the table, one row for each run."""
        return [_cells(verdict) for verdict in self.verdicts]

    def table(self) -> str:
        """The verdicts as a table of text."""
        table = new_table()
        for column in COLUMNS:
            side: Any = "left" if column in COLUMNS[:2] else "right"
            table.add_column(Text(column), justify=side, no_wrap=column != "run")
        for row in self.rows:
            add_row(table, *row)
        return printed(table)

    def save(self, path: str | Path) -> Path:
        """Writes the report.

        Args:
            path: its suffix says what: `.html`, one interactive file that needs no network; the
                charts alone as `.png`, `.svg` or `.pdf`; findings and table as `.md`; the numbers
                as `.csv`, or all of them as `.json`.

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
        return page.as_summary(self)


def compare(*runs: str | Path | Run) -> Comparison:
    """Compares runs, also unfinished ones, and also a single one.

    Args:
        runs: run folders or what `load_run` returned.

    Raises:
        ValueError: without runs, or if two have the same name.
        FileNotFoundError: if there is no run in one of the folders.

    Example:

    >>> compare("runs/plain56", "runs/resnet56").save("report.html")  # doctest: +SKIP
    PosixPath('report.html')
    """
    loaded = tuple(run if isinstance(run, Run) else load_run(run) for run in runs)
    names = [run.name for run in loaded]
    if not loaded or len(set(names)) < len(names):
        raise ValueError(f"compare needs runs, each with a name of its own. Received: {names}")
    return Comparison(loaded)


def _cells(verdict: Verdict) -> tuple[str, ...]:
    found = verdict.attenuation
    return (
        verdict.run,
        verdict.verdict,
        words.interval(found) if found else "–",
        _number(verdict.first_rms, ".1e"),
        _number(verdict.update_ratio, ".1e"),
        _number(verdict.first_frozen, ".0%"),
        _number(verdict.accuracy, ".2f"),
        _number(verdict.held_out, ".2f"),
    )


def _number(value: float, style: str) -> str:
    return "–" if np.isnan(value) else format(value, style)
