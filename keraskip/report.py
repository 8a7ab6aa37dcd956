"""A comparison of runs: its findings in words, as a table, and as a report to open or to print."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import altair as alt
import jinja2
import numpy as np
import vl_convert
from rich.text import Text

from keraskip.analysis import EARLY, RULE, Attenuation, Verdict, judge
from keraskip.charts import overview
from keraskip.runs import Run, load_run
from keraskip.tables import add_row, new_table, printed

PICTURES = (".png", ".svg", ".pdf")
COLUMNS = ("run", "verdict", "orders lost [95 %]", "1st grad.", "frozen", "train", "held-out")
# Run by the page once the chart libraries are there.
DRAW = 'vegaEmbed("#charts", JSON.parse(document.getElementById("spec").text), {actions: false})'
# Rounding freezes a stray element in any run.
NOTABLY_FROZEN = 0.01


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
        return [judge(run) for run in self.runs]

    @property
    def findings(self) -> list[str]:
        """One sentence for each run."""
        return [_sentence(verdict) for verdict in self.verdicts]

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The cells of the table, one row for each run, under `COLUMNS`."""
        return [_cells(verdict) for verdict in self.verdicts]

    def table(self) -> str:
        """The verdicts as a table of text."""
        table = new_table()
        for column in COLUMNS:
            table.add_column(Text(column), justify="left" if column in COLUMNS[:2] else "right")
        for row in self.rows:
            add_row(table, *row)
        return printed(table)

    def save(self, path: str | Path) -> Path:
        """Writes the report.

        Args:
            path: its suffix says what: `.html`, one interactive file that needs no network, or
                the charts alone as `.png`, `.svg` or `.pdf`.

        Returns:
            The path.

        Raises:
            ValueError: for another suffix.
            OSError: if the file cannot be written.
        """
        path = Path(path)
        if path.suffix == ".html":
            path.write_text(self._html(), encoding="utf-8")
        elif path.suffix == ".png":
            # Twice the pixels of the screen, for print.
            overview(self.runs).save(path, scale_factor=2)
        elif path.suffix in PICTURES:
            overview(self.runs).save(path)
        else:
            choices = (".html", *PICTURES)
            raise ValueError(f"A report ends in one of {choices}. Received: {path.name!r}")
        return path

    def _html(self) -> str:
        # "<" as an escape, so that no name of a run or layer can end the script.
        chart = json.dumps(overview(self.runs).to_dict()).replace("<", "\\u003c")
        version = ".".join(alt.VEGALITE_VERSION.split(".")[:2])
        environment = jinja2.Environment(
            loader=jinja2.PackageLoader("keraskip", "."), autoescape=True, trim_blocks=True
        )
        return environment.get_template("report.html.jinja").render(
            columns=COLUMNS,
            rows=self.rows,
            findings=self.findings,
            rule=RULE,
            early=f"{EARLY:.0%}",
            runs=self.runs,
            chart=chart,
            script=vl_convert.javascript_bundle(DRAW, vl_version=version),
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


def _cells(verdict: Verdict) -> tuple[str, ...]:
    found = verdict.attenuation
    return (
        verdict.run,
        verdict.verdict,
        f"{found.orders:.1f} [{found.low:.1f}, {found.high:.1f}]" if found else "–",
        _number(verdict.first_rms, ".1e"),
        _number(verdict.first_frozen, ".0%"),
        _number(verdict.accuracy, ".2f"),
        _number(verdict.held_out, ".2f"),
    )


def _number(value: float, style: str) -> str:
    return "–" if np.isnan(value) else format(value, style)


def _sentence(verdict: Verdict) -> str:
    return f"{verdict.run} is {verdict.verdict}: {_why(verdict)}{_outcome(verdict)}."


def _why(verdict: Verdict) -> str:
    found = verdict.attenuation
    if not found or verdict.verdict == "diverged":
        return verdict.reason
    change = "shrinks" if found.orders >= 0 else "grows"
    signal = "backward signal" if verdict.signal == "backward" else "kernel gradient"
    why = f"from the last to the first hidden layer the {signal} {change} {_factor(found)}"
    if verdict.first_frozen >= NOTABLY_FROZEN:
        why += f"; early updates leave {verdict.first_frozen:.0%} of the first kernel as it was"
    return why


def _factor(found: Attenuation) -> str:
    if found.low < 0 < found.high:
        return f"{_times(found.orders)}, by its interval perhaps not at all"
    low, high = sorted((found.low, found.high), key=abs)
    return f"{_times(found.orders)} (95 % interval {_times(low)} to {_times(high)})"


def _times(orders: float) -> str:
    """A change of so many orders of magnitude in two digits, in words up to a million."""
    factor = float(f"{10 ** abs(orders):.2g}")
    if factor < 10:
        return f"{factor:.1f}-fold"
    return f"{factor:,.0f}-fold" if factor < 1e6 else f"{factor:.1e}-fold"


def _outcome(verdict: Verdict) -> str:
    if np.isnan(verdict.accuracy):
        return ""
    if verdict.at_chance:
        return (
            f"; the accuracy stays at chance ({verdict.accuracy:.2f}, chance {verdict.chance:.2f})"
        )
    return f"; it trains to an accuracy of {verdict.accuracy:.2f}"
