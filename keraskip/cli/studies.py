"""The commands that train and report."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keraskip.cli.progress import progress_bars
from keraskip.cli.reports import write_report
from keraskip.cli.terminal import bad_input_in_one_line, import_keras_quietly, quiet, waiting
from keraskip.labels import in_one_line

if TYPE_CHECKING:
    from keraskip.study import Trial


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
        str | None, typer.Option(help="Depths, separated by commas.", show_default="the study's")
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(help="Seeds for each trial, separated by commas.", show_default="the study's"),
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
            help="Change every trial, such as batch_size=64 or activation=relu. Repeatable.",
            show_default=False,
        ),
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of prepared sets of tensorflow-datasets.")
    ] = None,
    manual_dir: Annotated[
        Path | None,
        typer.Option(help="Folder of the set's official archives, for machines without network."),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            help="Trials at a time, each in its own process.",
            show_default="as many as there are processors and memory for",
        ),
    ] = None,
    ray: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Spread trials over a Ray cluster.")
    ] = None,
    cpus_per_trial: Annotated[
        float, typer.Option(help="Processors for each trial, with --ray.")
    ] = 1,
    gpus_per_trial: Annotated[float, typer.Option(help="GPUs for each trial, with --ray.")] = 0,
    devices: Annotated[int, typer.Option(help="Devices that share each batch.")] = 1,
    processes: Annotated[
        int, typer.Option(help="Processes that train each trial together; on JAX.")
    ] = 1,
) -> None:
    """Train the networks of a study, record their gradients and report.

    The same command continues a study that was stopped: it leaves finished trials alone and goes
    on with the others after their last epoch.
    """
    from keraskip.study import check_study, named_study, one_after_the_other
    from keraskip.study.devices import Setup
    from keraskip.study.launchers import launcher_for
    from keraskip.study.names import check_new_name
    from keraskip.study.training import loaded

    folder = out / Path(study).stem
    with bad_input_in_one_line():
        if study.endswith(".py"):
            check_new_name("study", folder.name, out)
        changes = {"epochs": epochs, "dataset": dataset}
        changes = {key: value for key, value in changes.items() if value is not None}
        trials = named_study(
            study,
            depths=None if depths is None else _numbers("depths", depths),
            seeds=None if seeds is None else _numbers("seeds", seeds),
            settings=changes | dict(map(_setting, settings or [])),
        )
        setup = Setup(_text(data_dir), _text(manual_dir), devices, processes)
        launcher = launcher_for(trials, setup, jobs, ray, cpus_per_trial, gpus_per_trial)
        with quiet():
            check_study(trials, folder)
        if launcher is one_after_the_other:
            import_keras_quietly()
        setup.join()
        with waiting(f"reading {trials[0].dataset}"):
            loaded(trials[0], setup)
    runs, failures = _trained(trials, folder, place=launcher, **asdict(setup))
    if setup.writes and runs:
        with bad_input_in_one_line():
            write_report(runs, folder / "report.html")
    for name, reason in failures.items():
        print(f"keraskip: {in_one_line(f'{name} failed: {reason}')}", file=sys.stderr)
    if failures:
        raise typer.Exit(1)


def _numbers(name: str, text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(
            f"{name} must be numbers separated by commas. Received: {text!r}"
        ) from None


def _setting(text: str) -> tuple[str, Any]:
    """The key, and the value parsed as JSON, or as text if it is no JSON."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise ValueError(f"--set takes KEY=VALUE. Received: {text!r}")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _trained(
    trials: Sequence["Trial"], folder: Path, **options: Any
) -> tuple[list[Path], dict[str, str]]:
    """Trains; returns the run folders to report on, and why trials failed, by their names."""
    from keraskip.study import TrialsFailed, run_study

    try:
        with bad_input_in_one_line(), progress_bars(trials) as progress:
            return run_study(trials, folder, progress=progress, **options), {}
    except TrialsFailed as failed:
        return failed.runs, failed.failures
    except KeyboardInterrupt:
        print("keraskip: stopped; the same command goes on after the last epoch", file=sys.stderr)
        raise typer.Exit(130) from None


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
