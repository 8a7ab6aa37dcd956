"""All trials of a study; those that are over are left alone."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile

from keraskip.study.devices import Setup
from keraskip.study.places import Place, Task, one_after_the_other
from keraskip.study.studies import named_study
from keraskip.study.training import is_finished, loaded
from keraskip.study.trial import Trial

# Told the number of the trial, the trial, and how many of its epochs are done.
Progress = Callable[[int, Trial, int], None]
# What must fit on the disk for the first records and checkpoints.
ROOM = 2**24


class TrialsFailed(RuntimeError):  # noqa: N818 - says what happened
    """Some trials of a study did not come to their end; the others did.

    Attributes:
        failures: the name of each to what became of it.
        runs: the run folders of the others, in the order of the trials.
    """

    def __init__(self, failures: Mapping[str, str], runs: Sequence[Path]) -> None:
        self.failures, self.runs = dict(failures), list(runs)
        super().__init__("; ".join(f"{name}: {reason}" for name, reason in failures.items()))


def run_study(
    study: str | Sequence[Trial] = "vanishing",
    out: str | Path = "runs/vanishing",
    *,
    place: Place = one_after_the_other,
    data_dir: str | Path | None = None,
    manual_dir: str | Path | None = None,
    devices: int = 1,
    processes: int = 1,
    progress: Progress = lambda number, trial, epochs: None,
) -> list[Path]:
    """Trains the trials of a study, each into its folder in `out`.

    What is finished there is left alone, and what is not goes on from its last epoch, so a study
    that was interrupted or killed is started again with the same call.

    Args:
        study: name of a study, a Python file (see `keraskip.study.named_study`), or a list of
            trials of one data set and as many epochs each.
        out: the folder for the run folders.
        place: where trials run: `keraskip.study.places.one_after_the_other`,
            `side_by_side(jobs)` or `on_ray(address)`.
        data_dir: where tensorflow-datasets keeps what it prepared.
        manual_dir: official archives for tensorflow-datasets, for machines without network.
        devices: how many devices of this machine share each batch.
        processes: how many processes train each trial together, see the README on scaling.
        progress: called with the number of the trial, the trial and its epochs done.

    Returns:
        The run folders, in the order of the trials.

    Raises:
        ValueError: for an unknown study or data set, two trials of one name or of unequal budget,
            or a run of other settings in the way; before any training.
        OSError: if `out` cannot be written; before any training.
        TrialsFailed: if trials failed, after the others are done.

    Example:

    >>> run_study([Trial("plain8", "plain", {"depth": 8})], "runs/mine")  # doctest: +SKIP
    [PosixPath('runs/mine/plain8')]
    """
    trials = named_study(study) if isinstance(study, str) else list(study)
    finished = check_study(trials, out)
    setup = Setup(
        data_dir=None if data_dir is None else str(data_dir),
        manual_dir=None if manual_dir is None else str(manual_dir),
        devices=devices,
        processes=processes,
    )
    setup.join()
    for trial in trials:
        # Before any training, and before several processes would fetch the same data.
        loaded(trial, setup)
    folders = [Path(out) / trial.name for trial in trials]
    tasks = []
    for number, (trial, folder) in enumerate(zip(trials, folders, strict=True)):
        if trial.name in finished:
            progress(number, trial, trial.epochs)
        else:
            tasks.append(Task(number, trial, folder))
    failures = place(tasks, setup, progress)
    if failures:
        runs = [folder for folder in folders if folder.name not in failures]
        raise TrialsFailed(failures, runs)
    return folders


def check_study(trials: Iterable[Trial], out: str | Path) -> set[str]:
    """The names of the trials that are finished in `out`; raises as `run_study` does."""
    trials = list(trials)
    names = [trial.name for trial in trials]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"A study has trials, each with a name of its own. Received: {names}")
    for trial in trials:
        _ = trial.settings, trial.family
    budgets = {(trial.dataset, trial.image_size, trial.epochs) for trial in trials}
    if len(budgets) > 1:
        raise ValueError(
            "The trials of a study have the same data and as many epochs each. "
            f"Received: {sorted(budgets, key=str)}"
        )
    finished = {trial.name for trial in trials if is_finished(Path(out) / trial.name, trial)}
    Path(out).mkdir(parents=True, exist_ok=True)
    # Asking the system for permission, or for room, is not enough: only writing shows it.
    with TemporaryFile(dir=out) as file:
        file.write(bytes(ROOM))
    return finished
