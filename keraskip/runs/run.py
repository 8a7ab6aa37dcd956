"""A run as it was read."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from keraskip.runs.parts import named_parts


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """The record of one training run, S steps of W weights.

    Attributes:
        path: the run folder.
        info: the contents of `run.json`.
        weights: a frame with one row per recorded weight: `path`, `layer`, `role`, `depth`,
            `shape`, `size`, `positions`, `after`, `last`; the last three are explained by
            `keraskip.graph.ways.Way` and may be missing or None.
        steps: numbers of the recorded steps, shape [S]; they count from 0, in a later phase from
            the steps before.
        statistics: the array [S, W] of each statistic by its name; each is an attribute, too, such
            as `run.grad_norm`.
        scalars: the array [S] of each scalar of the steps by its name; each is an attribute, too,
            such as `run.loss` and `run.learning_rate`. `GradientRecorder` explains them.
        truncated: whether `steps.arrow` ends in the middle of a write.
        damaged: first and last step, both excluded, between which steps are damaged and left out;
            -1 for the former where no step lies before them, None for the latter where none lies
            behind them.
        label: a name beside other runs whose folders are called the same; usually empty.
    """

    path: Path
    info: dict[str, Any]
    weights: pd.DataFrame
    steps: np.ndarray
    statistics: dict[str, np.ndarray]
    scalars: dict[str, np.ndarray]
    truncated: bool
    damaged: tuple[tuple[int, int | None], ...] = ()
    label: str = ""

    def __getattr__(self, name: str) -> np.ndarray:
        for kind in ("statistics", "scalars"):
            if name in self.__dict__.get(kind, ()):
                return self.__dict__[kind][name]
        raise AttributeError(f"a Run has no attribute and no statistic {name!r}")

    def __repr__(self) -> str:
        return (
            f"<Run {self.name!r}: {len(self.steps)} steps of {len(self.weights)} weights, "
            f"{self.info.get('status', 'unknown')}>"
        )

    @property
    def name(self) -> str:
        """The label or the name of the run folder; of a part of a run, with the part's name."""
        part, name = self.info.get("part"), self.label or self.path.name
        return f"{name} ({part})" if part else name

    @property
    def missing(self) -> np.ndarray:
        """Where a weight got no gradient in a step [S, W], which is not a gradient of NaN."""
        return np.isnan(self.statistics["grad_nonfinite"])

    @cached_property
    def parts(self) -> list["Run"]:
        """The weights that are trained together, each with the steps that train them.

        A usual training has one part, the run itself. Two networks with an optimizer each, as in a
        GAN, or that one optimizer trains in turn, are two parts.
        """
        optimizer = self.scalars.get("optimizer", np.zeros(len(self.steps)))
        optimizers = self.info.get("optimizers", [])
        paths = self.weights["path"].tolist()
        found = named_parts(~self.missing, optimizer, optimizers, paths)
        return [self._part(*part) for part in found] if len(found) > 1 else [self]

    def _part(self, name: str, rows: np.ndarray, columns: np.ndarray) -> "Run":
        weights = self.weights.iloc[columns].reset_index(drop=True)
        info = {**self.info, "part": name, "depth": int(weights["depth"].max())}
        settings, optimizer = info.get("optimizer_settings"), self.scalars.get("optimizer")
        if settings and optimizer is not None and len(rows):
            own = settings[int(optimizer[rows][0])]
            info["training"] = {**(info.get("training") or {}), "optimizer": own}
        return replace(
            self,
            info=info,
            weights=weights,
            steps=self.steps[rows],
            statistics={key: data[rows][:, columns] for key, data in self.statistics.items()},
            scalars={key: data[rows] for key, data in self.scalars.items()},
        )

    @cached_property
    def epochs(self) -> pd.DataFrame:
        """The log of each epoch: `epoch`, `steps` (recorded so far), `next_step`, the metrics."""
        frame = pd.DataFrame(self.info["epochs"], columns=self._epoch_columns())
        frame = frame.drop(columns=["next_steps", "weights_norm"], errors="ignore").astype(float)
        counts = ("epoch", "steps", "next_step")
        return frame.astype({name: int for name in counts if name in frame})

    @cached_property
    def probes(self) -> pd.DataFrame:
        """The rows of all probes: `epoch`, `probe`, `layer`, `depth`, `time`, `value`.

        It may be empty. `time` is the time step of a probe that has a value for each; for others it
        is NaN.
        """
        columns = ["epoch", "probe", "layer", "depth", "time", "value"]
        rows = [one for row in self.info.get("probes", []) for one in _by_time(row)]
        frame = pd.DataFrame(rows, columns=columns)
        return frame.astype({"epoch": int, "depth": int, "time": float, "value": float})

    def _epoch_columns(self) -> list[str]:
        rows = [{"epoch": 0, "steps": 0}, *self.info["epochs"]]
        return list(dict.fromkeys(name for row in rows for name in row))

    def to_pandas(self) -> pd.DataFrame:
        """One row per step and weight: `step`, `path`, `layer`, `role`, `depth`, statistics."""
        rows = np.tile(np.arange(len(self.weights)), len(self.steps))
        frame = self.weights[["path", "layer", "role", "depth"]].take(rows).reset_index(drop=True)
        frame.insert(0, "step", np.repeat(self.steps, len(self.weights)))
        return frame.assign(**{name: data.ravel() for name, data in self.statistics.items()})


def _by_time(row: dict[str, Any]) -> list[dict[str, Any]]:
    """One row for each time step of a row of a probe, if it has several."""
    if not isinstance(row["value"], list):
        return [row]
    return [{**row, "time": step, "value": value} for step, value in enumerate(row["value"])]
