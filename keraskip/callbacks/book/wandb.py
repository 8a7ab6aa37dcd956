"""The record as Weights & Biases shows it: curves and a histogram for each weight."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keraskip.callbacks.book.tracker import CURVES, HISTOGRAM, StepLog, kept_id

# W&B counts all calls of `log`, also by other callbacks; this is the x axis instead.
STEP = "keraskip/step"
ID_FILE = "wandb_run.txt"


class WandbTracker:
    """Logs into the run of W&B that is active, or into one of its own, which it also ends.

    Its own run is made by `wandb.init`, which reads project, mode and folder from the environment
    (`WANDB_PROJECT`, `WANDB_MODE`, `WANDB_DIR`). A training that goes on finds it by its id.
    """

    def __init__(self) -> None:
        self._run: Any = None
        self._is_own = False

    def open(self, folder: Path, resume_from: int) -> None:
        """Takes the active run, or starts one."""
        import wandb  # Imported only on demand: it is an extra.

        self._is_own = wandb.run is None
        self._run = wandb.run
        if self._is_own:
            known = kept_id(folder, ID_FILE, resume_from)
            self._run = wandb.init(name=folder.name, id=known, resume="allow" if known else None)
            (folder / ID_FILE).write_text(self._run.id, "utf-8")
        self._run.define_metric(STEP, hidden=True)
        for name in (*CURVES, HISTOGRAM):
            self._run.define_metric(f"{name}/*", step_metric=STEP)

    def add(self, logs: Sequence[StepLog]) -> None:
        """Logs each step."""
        import wandb

        for step, scalars, histograms in logs:
            shown = {tag: wandb.Histogram(np_histogram=one) for tag, one in histograms.items()}
            self._run.log({STEP: step, **scalars, **shown})

    def close(self, status: str) -> None:
        """Ends the run if it is its own."""
        if self._is_own and self._run:
            self._run.finish(exit_code=int(status != "finished"))
        self._run = None
