"""The command `keraskip`: reads arguments, calls one function, prints what it says."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from keraskip.study import Progress, Trial

app = typer.Typer(
    help="Train networks with and without skip connections and see what their gradients do.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def compare(
    study: Annotated[str, typer.Option(help="Name of the study.")] = "vanishing",
    out: Annotated[Path, typer.Option(help="Folder for the studies and their reports.")] = Path(
        "runs"
    ),
    depths: Annotated[str, typer.Option(help="Depths, with commas between.")] = "20,56",
    epochs: Annotated[int, typer.Option(help="Epochs of each trial.")] = 5,
    seed: Annotated[int, typer.Option(help="Seed of each trial.")] = 0,
) -> None:
    """Train the networks of a study, record their gradients and report.

    Trials that are already finished in the folder are not trained again.
    """
    from keraskip.study import check_study, named_study, run_study

    folder = out / study
    with _bad_input_in_one_line():
        trials = named_study(study, depths=_numbers(depths), epochs=epochs, seed=seed)
        check_study(trials, folder)
    _import_keras_quietly()
    with _progress(trials) as progress:
        runs = run_study(trials, folder, progress=progress)
    _report(runs, folder / "report.html")


@app.command()
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

    with _bad_input_in_one_line():
        _report(find_runs(runs), out)


@app.command("list")
def list_names(
    pattern: Annotated[str, typer.Argument(help="Names to list, such as 'resnet*'.")] = "*",
) -> None:
    """List the networks that have a name. Loads no TensorFlow."""
    from keraskip.models.zoo import list_models, overview

    with _bad_input_in_one_line():
        if not list_models(pattern):
            raise ValueError(f"No name matches. Received: {pattern!r} (all: keraskip list)")
    print(overview(pattern))


@app.command()
def describe(
    name: Annotated[str, typer.Argument(help="One of the names of `keraskip list`.")],
) -> None:
    """Print what was published about a network beside what the built model has."""
    from rich.console import Console

    from keraskip.models.zoo import find

    with _bad_input_in_one_line():
        find(name)
    with Console(stderr=True).status(f"building {name}"):
        _import_keras_quietly()
        from keraskip.models.description import describe as describe_model

        description = describe_model(name)
    print(description)


@contextmanager
def _bad_input_in_one_line() -> Iterator[None]:
    """What the user can mend is one line and exit code 2."""
    try:
        yield
    except (ValueError, OSError) as error:
        print(f"keraskip: {error}", file=sys.stderr)
        raise typer.Exit(2) from None


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"depths are numbers with commas between. Received: {text!r}") from None


def _import_keras_quietly() -> None:
    """TensorFlow greets with notes on processor and GPU before its log level counts."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    stderr = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        import keras  # noqa: F401
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


@contextmanager
def _progress(trials: Sequence["Trial"]) -> Iterator["Progress"]:
    """Two bars on stderr: the trials, and the epochs of the one that trains."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    bars = Progress(
        TextColumn("{task.description:<20}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )
    with bars:
        study = bars.add_task("trials", total=len(trials))
        current = bars.add_task("epochs", total=None)

        def show(number: int, trial: "Trial", epochs: int) -> None:
            done = epochs == trial.epochs
            bars.update(study, completed=number + done)
            bars.update(current, description=trial.name, total=trial.epochs, completed=epochs)

        yield show


def _report(runs: Sequence[Path], out: Path) -> None:
    from keraskip.report import compare as compare_runs

    comparison = compare_runs(*runs)
    comparison.save(out)
    print(comparison.table(), *comparison.findings, sep="\n")
    print(f"\n{out}")
