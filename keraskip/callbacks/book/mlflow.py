"""The record as MLflow shows it: a metric for each curve, and histograms as artifacts."""

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keraskip.callbacks.book.tracker import HISTOGRAM, StepLog, kept_id

ID_FILE = "mlflow_run.txt"
# The most metrics that MLflow takes at a time.
BATCH = 1000


class MLflowTracker:
    """Logs into the run of MLflow that is active, or into one of its own, which it also ends.

    MLflow has no histograms, so each write adds a file `log10_gradient/STEP.json` to the
    artifacts, which has for each weight the step, the edges of the decades, and the number of
    elements in each. Its own run goes where `mlflow.set_tracking_uri` and `mlflow.set_experiment`,
    or the environment, say. A training that goes on finds it by its id.
    """

    def __init__(self) -> None:
        self._id = ""
        self._is_own = False

    def open(self, folder: Path, resume_from: int) -> None:
        """Takes the active run, or starts one."""
        import mlflow  # Imported only on demand: it is an extra.

        active = mlflow.active_run()
        self._is_own = active is None
        known = kept_id(folder, ID_FILE, resume_from)
        run = active or mlflow.start_run(run_id=known, run_name=folder.name)
        self._id = run.info.run_id
        if self._is_own:
            (folder / ID_FILE).write_text(self._id, "utf-8")

    def add(self, logs: Sequence[StepLog]) -> None:
        """Logs the steps."""
        import mlflow
        from mlflow.entities import Metric

        client, now = mlflow.MlflowClient(), time.time_ns() // 1_000_000
        metrics = [
            Metric(_allowed(tag), value, now, step)
            for step, scalars, _ in logs
            for tag, value in scalars.items()
        ]
        for start in range(0, len(metrics), BATCH):
            client.log_batch(self._id, metrics[start : start + BATCH])
        histograms = _as_json(logs)
        if histograms:
            last = max(log.step for log in logs)
            client.log_dict(self._id, histograms, f"{HISTOGRAM}/{last:08}.json")

    def close(self, status: str) -> None:
        """Ends the run if it is its own."""
        import mlflow

        active = mlflow.active_run()
        if self._is_own and active and active.info.run_id == self._id:
            mlflow.end_run("FINISHED" if status == "finished" else "KILLED")
        self._id = ""


def _allowed(tag: str) -> str:
    """The name of a metric, with the characters that MLflow takes on every system."""
    return re.sub(r"[^\w\-. /]", "_", tag)


def _as_json(logs: Sequence[StepLog]) -> dict[str, Any]:
    return {
        tag.removeprefix(f"{HISTOGRAM}/"): {
            "step": step,
            "edges": edges.tolist(),
            "counts": counts.tolist(),
        }
        for step, _, histograms in logs
        for tag, (counts, edges) in histograms.items()
    }
