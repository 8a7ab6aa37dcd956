"""The command that reports on runs, and what is printed of a report."""

import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from keraskip.cli.terminal import bad_input_in_one_line, ending_with_its_reader
from keraskip.labels import visible


def report(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or folders of run folders.")],
    out: Annotated[
        Path,
        typer.Option(
            help="File to write: report .html; charts .png, .svg, .pdf; numbers .json, .csv, .md."
        ),
    ] = Path("report.html"),
    width: Annotated[
        str, typer.Option(help="Of charts on paper: column (89 mm) or text (183 mm).")
    ] = "text",
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help="Write the page anew until all trainings end; it reloads itself."
        ),
    ] = False,
) -> None:
    """Report on finished or unfinished runs. Loads no TensorFlow."""
    with bad_input_in_one_line():
        if watch and width != "text":
            raise ValueError(f"--width is for pictures on paper. Received: --watch, {width!r}")
        if watch:
            _watch(runs, out)
        else:
            _report(runs, out, width)


def _report(runs: Sequence[Path], out: Path, width: str) -> None:
    """One report. It leaves little garbage, so to look for it meanwhile would only take time."""
    gc.disable()
    try:
        from keraskip.runs import find_runs

        write_report(find_runs(runs), out, width)
    finally:
        gc.enable()


def write_report(runs: Sequence[Path], out: Path, width: str = "text") -> None:
    """Writes a report, and prints what it says and where it is, and which runs are damaged."""
    from keraskip.report.comparison import compare
    from keraskip.runs import opened

    readable, reasons = opened(runs)
    comparison = compare(*readable)
    comparison.save(out, width)
    _print_reasons(reasons)
    _print(comparison, visible(str(out)))


def _watch(runs: Sequence[Path], out: Path) -> None:
    from keraskip.report.watching import watch

    if out.suffix != ".html":
        raise ValueError(f"--watch writes a page, which ends in .html. Received: {out.name!r}")
    _print(f"{visible(str(out))} follows the training; Ctrl-C ends this, not the training.")
    for folder in runs:
        if not folder.exists():
            _print(f"{visible(str(folder))} is not there yet: it is waited for.")
    try:
        comparison, reasons = watch(runs, out)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    _print_reasons(reasons)
    _print(comparison, visible(str(out)))


def _print_reasons(reasons: Sequence[str]) -> None:
    for reason in reasons:
        print(f"keraskip: left out: {visible(reason)}", file=sys.stderr)


def _print(*parts: object) -> None:
    with ending_with_its_reader():
        print(*parts, sep="\n\n")
