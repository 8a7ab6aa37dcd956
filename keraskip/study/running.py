"""Runs a study: checks all trials first, then trains the ones that are not finished."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile

from keraskip.data.known import check_dataset
from keraskip.study.arguments import check_arguments
from keraskip.study.devices import Setup
from keraskip.study.launchers import Launcher, Progress, Task, one_after_the_other
from keraskip.study.names import check_folders
from keraskip.study.studies import named_study
from keraskip.study.training import is_finished, loaded
from keraskip.study.trial import Trial

# Bytes that must fit on the disk, for the first records and checkpoints.
ROOM = 2**24


class TrialsFailed(RuntimeError):  # noqa: N818 - says what happened
    """Some trials of a study failed; the others are finished.

    Attributes:
        failures: why each failed trial failed, by its name.
        runs: the run folders of the finished trials, in the order of the study.
    """

    def __init__(self, failures: Mapping[str, str], runs: Sequence[Path]) -> None:
        self.failures, self.runs = dict(failures), list(runs)
        super().__init__("; ".join(f"{name}: {reason}" for name, reason in failures.items()))


def run_study(
    study: str | Sequence[Trial] = "vanishing",
    out: str | Path = "runs/vanishing",
    *,
    place: Launcher = one_after_the_other,
    data_dir: str | Path | None = None,
    manual_dir: str | Path | None = None,
    devices: int = 1,
    processes: int = 1,
    progress: Progress = lambda number, trial, epochs: None,
) -> list[Path]:
    """Trains the trials of a study, each into its folder in `out`.

    Finished trials are left alone and the others continue from their last epoch, so the same call
    continues a study that was interrupted or killed.

    Args:
        study: name of a study, a Python file (see `keraskip.study.named_study`), or a list of
            trials that share the data set and the number of epochs.
        out: the folder for the run folders.
        place: where trials run: `keraskip.study.one_after_the_other`, `side_by_side(jobs)` or
            `on_ray(address)`.
        data_dir: the folder of prepared data sets of tensorflow-datasets.
        manual_dir: a folder of official archives for tensorflow-datasets, for machines without
            network.
        devices: how many devices of this machine share each batch.
        processes: how many processes train each trial together, see the README on scaling.
        progress: called with the number of the trial, the trial, and how many of its epochs are
            done.

    Returns:
        The run folders, in the order of the trials.

    Raises:
        TypeError: for a number that is none; before any training.
        ValueError: for an unknown study or data set, two trials of one name or of unequal budget,
            or a folder that holds a run with other settings; before any training.
        OSError: if `out` cannot be written; before any training.
        TrialsFailed: if trials failed, after the others are finished.

    Example:

    >>> run_study([Trial("plain8", "plain", {"depth": 8})], "runs/mine")  # doctest: +SKIP
    [PosixPath('runs/mine/plain8')]
    """
    trials = named_study(study) if isinstance(study, str) else list(study)
    setup = Setup(
        data_dir=None if data_dir is None else str(data_dir),
        manual_dir=None if manual_dir is None else str(manual_dir),
        devices=devices,
        processes=processes,
    )
    finished = check_study(trials, out)
    setup.join()
    for trial in trials:
        # Before several processes would fetch the same data.
        loaded(trial, setup)
    folders = [Path(out) / trial.name for trial in trials]
    tasks = list(map(Task, range(len(trials)), trials, folders))
    for task in tasks:
        if task.trial.name in finished:
            progress(task.number, task.trial, task.trial.epochs)
    failures = place([task for task in tasks if task.trial.name not in finished], setup, progress)
    if failures:
        runs = [folder for folder in folders if folder.name not in failures]
        raise TrialsFailed(failures, runs)
    return folders


def check_study(trials: Iterable[Trial], out: str | Path) -> set[str]:
    """The names of the trials that are finished in `out`; raises the errors of `run_study`.

    It loads neither Keras nor data, unless a network has an unusual activation or initializer.
    """
    trials = list(trials)
    names = [trial.name for trial in trials]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"A study needs trials, each with a name of its own. Received: {names}")
    check_folders(names, out)
    for trial in trials:
        _ = trial.settings
        if type(trial) is Trial:  # another class may build another network
            check_arguments(trial.family, trial.builder_arguments)
    budgets = {(trial.dataset, trial.image_size, trial.epochs) for trial in trials}
    if len(budgets) > 1:
        raise ValueError(
            "The trials of a study must have the same data and as many epochs each. "
            f"Received: {sorted(budgets, key=str)}"
        )
    check_dataset(trials[0].dataset)
    finished = {trial.name for trial in trials if is_finished(Path(out) / trial.name, trial)}
    Path(out).mkdir(parents=True, exist_ok=True)
    # Only writing shows whether the system allows it and has room.
    with TemporaryFile(dir=out) as file:
        file.write(bytes(ROOM))
    return finished
