"""The commands that train and report."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keraskip.cli.terminal import bad_input_in_one_line, import_keras_quietly, waiting

if TYPE_CHECKING:
    from rich.progress import TaskID

    from keraskip.study import Progress, Trial


def compare(
    study: Annotated[
        str,
        typer.Option(
            help="vanishing, degradation, shortcuts, dense, depth, or a Python file with `trials`."
        ),
    ] = "vanishing",
    out: Annotated[Path, typer.Option(help="Folder for the studies and their reports.")] = Path(
        "runs"
    ),
    depths: Annotated[
        str | None, typer.Option(help="Depths, with commas between.", show_default="the study's")
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(help="Seeds of each trial, with commas between.", show_default="the study's"),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Epochs of each trial.", show_default="the study's")
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="digits, a set of tensorflow-datasets, folder:PATH or npz:PATH.",
            show_default="the study's",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="What else to change in every trial, such as batch_size=64 or activation=relu.",
            show_default=False,
        ),
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where tensorflow-datasets keeps its sets.")
    ] = None,
    manual_dir: Annotated[
        Path | None, typer.Option(help="The set's official archives, where there is no network.")
    ] = None,
    jobs: Annotated[int, typer.Option(help="Trials at a time, in processes of their own.")] = 1,
    ray: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Spread trials over a Ray cluster.")
    ] = None,
    cpus_per_trial: Annotated[float, typer.Option(help="For --ray.")] = 1,
    gpus_per_trial: Annotated[float, typer.Option(help="For --ray.")] = 0,
    devices: Annotated[int, typer.Option(help="Devices that share each batch.")] = 1,
    processes: Annotated[
        int, typer.Option(help="Processes that train each trial together, on JAX.")
    ] = 1,
) -> None:
    """Train the networks of a study, record their gradients and report.

    Started again, it leaves finished trials alone and goes on with the others after their last
    epoch.
    """
    from keraskip.study import check_study, named_study
    from keraskip.study.devices import Setup
    from keraskip.study.places import chosen, one_after_the_other
    from keraskip.study.training import loaded

    folder = out / Path(study).stem
    with bad_input_in_one_line():
        changes = {"epochs": epochs, "dataset": dataset}
        changes = {key: value for key, value in changes.items() if value is not None}
        trials = named_study(
            study,
            depths=None if depths is None else _numbers("depths", depths),
            seeds=None if seeds is None else _numbers("seeds", seeds),
            settings=changes | dict(map(_setting, settings or [])),
        )
        setup = Setup(_text(data_dir), _text(manual_dir), devices, processes)
        place = chosen(setup, jobs, ray, cpus_per_trial, gpus_per_trial)
        check_study(trials, folder)
        if place is one_after_the_other:
            import_keras_quietly()
        with waiting(f"reading {trials[0].dataset}"):
            loaded(trials[0], setup)
    runs, failures = _trained(trials, folder, place=place, **asdict(setup))
    if setup.writes and runs:
        with bad_input_in_one_line():
            _report(runs, folder / "report.html")
    for name, reason in failures.items():
        print(f"keraskip: {name} failed: {reason}", file=sys.stderr)
    if failures:
        raise typer.Exit(1)


def report(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or folders of run folders.")],
    out: Annotated[
        Path,
        typer.Option(
            help="The report: .html; its charts: .png, .svg, .pdf; its numbers: .json, .csv, .md."
        ),
    ] = Path("report.html"),
) -> None:
    """Report on runs, finished or not. Loads no TensorFlow."""
    from keraskip.runs import find_runs

    with bad_input_in_one_line():
        _report(find_runs(runs), out)


def _numbers(name: str, text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(
            f"{name} must be numbers with commas between. Received: {text!r}"
        ) from None


def _setting(text: str) -> tuple[str, Any]:
    """The key, and the value as JSON, or as the text that it is."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise ValueError(f"--set takes KEY=VALUE. Received: {text!r}")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _trained(
    trials: Sequence["Trial"], folder: Path, **where: Any
) -> tuple[list[Path], dict[str, str]]:
    """Trains; returns the run folders that can be reported, and what failed."""
    from keraskip.study import TrialsFailed, run_study

    try:
        with bad_input_in_one_line(), _progress(trials) as progress:
            return run_study(trials, folder, progress=progress, **where), {}
    except TrialsFailed as failed:
        return failed.runs, failed.failures
    except KeyboardInterrupt:
        print("keraskip: stopped; the same command goes on after the last epoch", file=sys.stderr)
        raise typer.Exit(130) from None


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


@contextmanager
def _progress(trials: Sequence["Trial"]) -> Iterator["Progress"]:
    """Bars on stderr: the epochs of the whole study, and those of each trial that trains."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    bars = Progress(
        TextColumn("{task.description:<20}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("epochs,"),
        TimeElapsedColumn(),
        TextColumn("gone,"),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=Console(stderr=True),
    )
    with bars:
        study = bars.add_task("all trials", total=sum(trial.epochs for trial in trials))
        rows: dict[str, TaskID] = {}
        done: dict[str, int] = {}

        def show(number: int, trial: "Trial", epochs: int) -> None:
            if trial.name not in rows and epochs < trial.epochs:
                rows[trial.name] = bars.add_task(trial.name, total=trial.epochs)
            done[trial.name] = epochs
            bars.update(study, completed=sum(done.values()))
            if trial.name in rows:
                hidden = epochs == trial.epochs
                bars.update(rows[trial.name], completed=epochs, visible=not hidden)

        yield show


def _report(runs: Sequence[Path], out: Path) -> None:
    from keraskip.report.comparison import compare as compare_runs

    comparison = compare_runs(*runs)
    comparison.save(out)
    print(comparison.table(), *comparison.findings, sep="\n")
    print(f"\n{out}")
