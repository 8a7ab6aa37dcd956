"""Writes a run folder, so that it can be read at any time: `run.json` beside the steps."""

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keraskip.runs.info import (
    DRAFT_FILE,
    INFO_FILE,
    SCHEMA_VERSION,
    alike,
    as_text,
    epoch_row,
    read_info,
)
from keraskip.runs.steps import StepsWriter


class RunWriter(StepsWriter):
    """Writes a run folder while the run goes on; each call leaves it readable.

    Args:
        path: the folder, made if it does not exist. An earlier run in it is replaced.
        info: the entries of `run.json` other than the weights, the epochs and the status.
        weights: one row per recorded weight, in the order of the statistics' columns.
        statistics: names of the statistics.
        scalars: names of the scalars of each step.
        initial_epoch: the number of epochs to keep of the run in the folder, which goes on from
            there; later records are dropped. 0 starts a new run.

    Raises:
        OSError: if the folder cannot be written; the methods raise it, too.
        ValueError: if the folder holds no run of these weights and statistics with this many
            epochs.
    """

    def __init__(
        self,
        path: str | Path,
        info: Mapping[str, Any],
        weights: Sequence[Mapping[str, Any]],
        statistics: Sequence[str],
        scalars: Sequence[str] = (),
        initial_epoch: int = 0,
    ) -> None:
        super().__init__(path, len(weights), statistics, scalars)
        self.path.mkdir(parents=True, exist_ok=True)
        if initial_epoch:
            self._info = _info_until(self.path, initial_epoch)
            self._check_same(list(weights))
            self._keep(self._info["epochs"][-1]["steps"])
            changed = {key: info[key] for key in info if info[key] != self._info.get(key)}
            self.note("resumed", {"epoch": initial_epoch, **changed})
        else:
            # `run.json` goes first, so that a crash in between leaves no mixture of two runs.
            (self.path / INFO_FILE).unlink(missing_ok=True)
            self._start()
            self._info = {"schema_version": SCHEMA_VERSION, **info}
            self._info |= {"weights": list(weights), "epochs": [], "probes": []}
        self.mark("running")

    def add_epoch(self, row: Mapping[str, float]) -> None:
        """Adds the log of one epoch."""
        self._info["epochs"].append({name: _to_json(value) for name, value in row.items()})
        self._write_info()

    def add_probes(self, epoch: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Adds the rows of a probe after an epoch.

        Args:
            epoch: its number.
            rows: with `probe`, `layer`, `depth`, and `value`: a number, or a list of numbers, one
                for each time step.
        """
        self._info["probes"] += [
            {"epoch": epoch, **row, "value": _to_json(row["value"])} for row in rows
        ]
        self._write_info()

    def describe(self, facts: Mapping[str, Any]) -> None:
        """Adds facts, or replaces them; the next other call writes them."""
        self._info.update(facts)

    def note(self, key: str, finding: Mapping[str, Any]) -> None:
        """Adds a finding to the list under this key.

        A finding with a `step` or an `epoch` is dropped when the run goes on from before it.
        """
        row = {name: _to_json(value) for name, value in finding.items()}
        self._info.setdefault(key, []).append(row)
        self._write_info()

    def mark(self, status: str) -> None:
        """Notes the status: `"running"`, `"finished"`, `"stopped"` or `"interrupted"`."""
        self._info["status"] = status
        self._write_info()

    def go_on(self) -> None:
        """Notes that the run goes on; an OSError if another one has replaced it."""
        self._check_size()
        self.mark("running")

    def _check_same(self, weights: list[Mapping[str, Any]]) -> None:
        if alike(self._info["weights"]) != alike(weights) or not self._has_same_columns():
            raise ValueError(
                "A run goes on with the weights and statistics it began with. "
                f"Received: weights or statistics that differ from {self.path}"
            )

    def _write_info(self) -> None:
        draft = self.path / DRAFT_FILE
        draft.write_text(as_text(self._info), encoding="utf-8")
        os.replace(draft, self.path / INFO_FILE)


def _to_json(value: Any) -> Any:
    """JSON has no NaN and no infinity; their names survive the round trip."""
    if isinstance(value, list):
        return [_to_json(each) for each in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _info_until(path: Path, epochs: int) -> dict[str, Any]:
    """The contents of `run.json` as they were after this number of epochs."""
    last = epoch_row(path, epochs)
    info = read_info(path)
    # A note may carry its step or its epoch; a row of a probe carries its epoch.
    limits = {"step": last["next_step"], "epoch": max(epochs, last["epoch"] + 1)}

    def is_kept(row: Any) -> bool:
        return all(row[key] < limit for key, limit in limits.items() if key in row)

    lists = {
        key: [row for row in value if is_kept(row)]
        for key, value in info.items()
        if isinstance(value, list) and all(isinstance(row, dict) for row in value)
    }
    # By position, not by number: a run of several trainings counts epochs from 0 in each.
    return {**info, **lists, "epochs": info["epochs"][:epochs]}
