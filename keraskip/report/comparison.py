"""A comparison of runs: its findings in words, as a table, and as a report to open or to print."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import altair as alt
import jinja2
import numpy as np
import pandas as pd
import vl_convert
from rich.text import Text

from keraskip.analysis import (
    RULES,
    Degradation,
    Effect,
    Group,
    Moment,
    Verdict,
    degradations,
    effects,
    grouped,
    moments,
    profiles_at,
)
from keraskip.charts import PARAMETERS, TEXTS, TITLES, charts, looks_of, overview, with_groups
from keraskip.report import files, words
from keraskip.runs import Run, load_run
from keraskip.tables import add_row, new_table, printed

PICTURES = (".png", ".svg", ".pdf")
WRITTEN: dict[str, Callable[["Comparison"], str]] = {
    ".html": lambda comparison: comparison._html(),
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
        return self._rendered("summary.html.jinja")

    def _html(self) -> str:
        version = ".".join(alt.VEGALITE_VERSION.split(".")[:2])
        draw = resources.files("keraskip.report").joinpath("page.js").read_text("utf-8")
        chosen = moments(self.runs)
        profiles = with_groups(profiles_at(self.runs, chosen), self.groups)
        found = charts(self.groups, alt.NamedData("profiles"))
        specifications = {
            name: _as_wide_as_its_place(chart).add_params(*PARAMETERS).to_dict()
            for name, chart in found.items()
        }
        return self._rendered(
            "report.html.jinja",
            charts=_in_a_script(specifications),
            profiles=_in_a_script(_columns(profiles.assign(steps=_labels(profiles, chosen)))),
            titles={name: title for name, title in TITLES.items() if name in found},
            texts=TEXTS,
            looks=self._looks(),
            moments=list(map(str, chosen)),
            script=vl_convert.javascript_bundle(draw, vl_version=version),
        )

    def _looks(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Colour and dash of each run."""
        looks = zip(self.groups, looks_of(self.groups), strict=True)
        return {run.name: look for group, look in looks for run in group.runs}

    def _rendered(self, template: str, **more: Any) -> str:
        environment = jinja2.Environment(
            loader=jinja2.PackageLoader("keraskip.report", "."), autoescape=True, trim_blocks=True
        )
        return environment.get_template(template).render(
            columns=self.columns,
            rows=self.rows,
            about_groups=[words.about_group(group) for group in self.groups],
            about_effects=[words.about_effect(effect) for effect in self.effects],
            about_degradations=[words.about_degradation(found) for found in self.degradations],
            rules=RULES,
            runs=self.runs,
            **more,
        )


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


def _as_wide_as_its_place(chart: Any) -> Any:
    return chart if isinstance(chart, alt.FacetChart) else chart.properties(width="container")


def _labels(profiles: pd.DataFrame, chosen: Sequence[Moment]) -> list[str]:
    return [str(chosen[number]) for number in profiles["moment"]]


def _columns(frame: pd.DataFrame) -> dict[str, Any]:
    """The columns of a frame in few bytes: names once, numbers in four digits."""
    found: dict[str, Any] = {}
    for column in frame:
        values = frame[column]
        if values.dtype.kind in "fi":
            numbers = [float(f"{value:.3e}") for value in values]
            found[str(column)] = {"values": [n if np.isfinite(n) else None for n in numbers]}
        else:
            codes, names = pd.factorize(values)
            found[str(column)] = {"values": codes.tolist(), "names": list(names)}
    return found


def _in_a_script(data: Any) -> str:
    """JSON in which no name of a run or layer can end the script: "<" is an escape."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


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
