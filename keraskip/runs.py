"""The run folder: the record of one training run on disk, written and read without Keras.

A run folder holds two files:

`run.json`
    The provenance of the run (command, versions, seed, device, git commit), its status, the table
    of recorded weights and the log of each epoch. Replaced as a whole, so never half-written.
`steps.arrow`
    An Arrow IPC stream with one row per training step: the step's number, the scalars of the step,
    such as the scale of the loss, and, per statistic, one float32 for each recorded weight. Only
    ever appended to, so a killed run stays readable up to the last rows that were flushed.
"""

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count, takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

SCHEMA_VERSION = 1
INFO_FILE = "run.json"
STEPS_FILE = "steps.arrow"


class RunWriter:
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
        self.path = Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        column = pa.list_(pa.float32(), len(weights))
        self._schema = pa.schema(
            [("step", pa.int64())]
            + [(scalar, pa.float32()) for scalar in scalars]
            + [(statistic, column) for statistic in statistics]
        )
        if initial_epoch:
            self._info = _info_until(self.path, initial_epoch)
            self._check_same(list(weights))
            _cut_steps(self.path / STEPS_FILE, self._info["epochs"][-1]["steps"])
            changed = {key: info[key] for key in info if info[key] != self._info.get(key)}
            self.note("resumed", {"epoch": initial_epoch, **changed})
        else:
            # `run.json` goes first, so that a crash in between leaves no mixture of two runs.
            (self.path / INFO_FILE).unlink(missing_ok=True)
            (self.path / STEPS_FILE).write_bytes(self._schema.serialize())
            self._info = {"schema_version": SCHEMA_VERSION, **info}
            self._info |= {"weights": list(weights), "epochs": [], "probes": []}
        self.mark("running")

    def append(
        self, steps: np.ndarray, values: np.ndarray, scalars: np.ndarray | None = None
    ) -> None:
        """Adds rows.

        Args:
            steps: numbers of the steps [S].
            values: statistics of the weights [S, weights, statistics].
            scalars: scalars of the steps [S, scalars].
        """
        columns: list[pa.Array] = [pa.array(steps, pa.int64())]
        for scalar in () if scalars is None else scalars.T:
            columns.append(pa.array(np.ascontiguousarray(scalar, np.float32)))
        for index, field in enumerate(list(self._schema)[len(columns) :]):
            flat = np.ascontiguousarray(values[:, :, index], np.float32).reshape(-1)
            columns.append(pa.FixedSizeListArray.from_arrays(pa.array(flat), type=field.type))
        rows = pa.record_batch(columns, schema=self._schema)
        with open(self.path / STEPS_FILE, "ab") as file:
            file.write(rows.serialize())

    def add_epoch(self, row: Mapping[str, float]) -> None:
        """Adds the log of one epoch."""
        self._info["epochs"].append({name: _to_json(value) for name, value in row.items()})
        self._write_info()

    def add_probes(self, epoch: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Adds the rows of a probe after an epoch: `probe`, `layer`, `depth` and `value`."""
        self._info["probes"] += [
            {"epoch": epoch, **row, "value": _to_json(row["value"])} for row in rows
        ]
        self._write_info()

    def note(self, key: str, finding: Mapping[str, Any]) -> None:
        """Adds a finding to the list under this key.

        A finding with a `step` or an `epoch` is dropped when the run goes on from before it.
        """
        row = {name: _to_json(value) for name, value in finding.items()}
        self._info.setdefault(key, []).append(row)
        self._write_info()

    def mark(self, status: str) -> None:
        """Notes the status of the run: `"running"`, `"finished"` or `"interrupted"`."""
        self._info["status"] = status
        self._write_info()

    def _check_same(self, weights: list[Mapping[str, Any]]) -> None:
        with pa.OSFile(str(self.path / STEPS_FILE)) as file:
            schema = pa.ipc.open_stream(file).schema
        if alike(self._info["weights"]) != alike(weights) or schema != self._schema:
            raise ValueError(
                "A run goes on with the weights and statistics it began with. "
                f"Received: weights or statistics that differ from {self.path}"
            )

    def _write_info(self) -> None:
        draft = self.path / f".{INFO_FILE}.draft"
        draft.write_text(json.dumps(self._info, indent=1, allow_nan=False), encoding="utf-8")
        os.replace(draft, self.path / INFO_FILE)


def _to_json(value: Any) -> Any:
    """JSON has no NaN and no infinity; their names survive the round trip."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def read_info(path: str | Path) -> dict[str, Any]:
    """The contents of `run.json` in a run folder.

    Raises:
        FileNotFoundError: if there is no run in the folder.
        ValueError: if the folder was written by a version of keraskip with another format.
    """
    path = Path(path)
    if not (path / INFO_FILE).is_file():
        raise FileNotFoundError(f"There is no run in {path}: it has no {INFO_FILE}.")
    info = json.loads((path / INFO_FILE).read_text(encoding="utf-8"))
    if info["schema_version"] != SCHEMA_VERSION:
        raise ValueError(
            f"This version of keraskip reads run format {SCHEMA_VERSION}. "
            f"Received: format {info['schema_version']} in {path}"
        )
    return info


def claimed(path: str | Path) -> Path:
    """A folder without a run, taken so that no other process takes it: this one, or one beside it.

    The folders beside `runs/mine` are `runs/mine-2`, `runs/mine-3` and so on.
    """
    for folder in _beside(Path(path)):
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError), open(folder / STEPS_FILE, "xb"):
            return folder
    raise AssertionError("there is always another folder")


def latest_run(path: str | Path) -> Path:
    """The last of the folders that `claimed` gave out; the folder itself if there is none."""
    folders = takewhile(lambda folder: (folder / INFO_FILE).is_file(), _beside(Path(path)))
    return [Path(path), *folders][-1]


def kept_epochs(
    path: Path,
    epoch: int,
    record: tuple[Sequence[Mapping[str, Any]], Sequence[str], Sequence[str]],
    info: Mapping[str, Any],
    size: float | None,
) -> int:
    """How many epochs of the run here a training keeps that begins with a later epoch.

    0 unless it is the same training: it has the weights that the run had after the epoch before,
    and at most one epoch is taken anew, so that nothing is lost that was recorded.

    Args:
        path: a folder that may hold a run.
        epoch: the epoch with which the training begins.
        record: weights, statistics and scalars, as `RunWriter` takes them.
        info: the facts of the training for `run.json`.
        size: norm of all recorded weights.
    """
    if not (path / INFO_FILE).is_file():
        return 0
    known = read_info(path)
    numbers = [row["epoch"] for row in known["epochs"]]
    if not numbers or numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        return 0
    kept = epoch - numbers[0]
    most = kept if known["status"] == "finished" else kept + 1
    if not 0 < kept <= len(numbers) <= most:
        return 0
    last = known["epochs"][kept - 1]
    is_same = all(known.get(key) == info.get(key) for key in ("gradient", "optimizers"))
    is_same &= _is_close(last.get("weights_norm"), size)
    return kept if is_same and _holds(path, *record, rows=last["steps"]) else 0


def _is_close(one: Any, other: Any) -> bool:
    return None not in (one, other) and math.isclose(float(one), float(other), rel_tol=1e-6)


def _holds(
    path: Path,
    weights: Sequence[Mapping[str, Any]],
    statistics: Sequence[str],
    scalars: Sequence[str],
    rows: int,
) -> bool:
    """Whether a run holds this many steps of these weights, statistics and scalars."""
    with suppress(OSError, ValueError, pa.ArrowInvalid):
        run = load_run(path)
        names = (list(run.scalars), list(run.statistics)) == (list(scalars), list(statistics))
        return names and alike(run.info["weights"]) == alike(weights) and len(run.steps) >= rows
    return False


def alike(weights: Sequence[Mapping[str, Any]]) -> list:
    """What does not change when Keras numbers the layers of the same network on."""
    return [(row["role"], row["depth"], list(row["shape"])) for row in weights]


def _beside(path: Path) -> Iterator[Path]:
    yield path
    yield from (path.with_name(f"{path.name}-{number}") for number in count(2))


def epoch_row(path: str | Path, epochs: int) -> dict[str, Any]:
    """The log of the epoch that is number `epochs`, from 1; ValueError if the run has fewer."""
    rows = read_info(path)["epochs"]
    if epochs > len(rows):
        raise ValueError(
            f"A run goes on after an epoch that it has. Received: initial_epoch={epochs}, "
            f"and {len(rows)} epochs in {path}"
        )
    return rows[epochs - 1]


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


def _cut_steps(path: Path, rows: int) -> None:
    """Keeps the first rows of the file. They end with a batch, because each epoch does."""
    with pa.OSFile(str(path)) as file:
        reader = pa.ipc.open_stream(file)
        while rows > 0:
            try:
                rows -= reader.read_next_batch().num_rows
            except (StopIteration, pa.ArrowInvalid, OSError):
                break
        end = file.tell()
    if rows:
        raise ValueError(f"{path} does not hold the steps that {INFO_FILE} beside it counts.")
    os.truncate(path, end)


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """The record of one training run, S steps of W weights.

    Attributes:
        path: the run folder.
        info: the contents of `run.json`.
        weights: a frame with one row per recorded weight: `path`, `layer`, `role`, `depth`,
            `shape`, `size`.
        steps: numbers of the recorded steps, shape [S]; they count from 0, in a later phase from
            the steps before.
        statistics: the array [S, W] of each statistic by its name; each is an attribute, too, such
            as `run.grad_norm`.
        scalars: the array [S] of each scalar of the steps by its name; each is an attribute, too:
            `run.loss_scale` and `run.clip_factor`.
        truncated: whether `steps.arrow` ends in the middle of a write.
    """

    path: Path
    info: dict[str, Any]
    weights: pd.DataFrame
    steps: np.ndarray
    statistics: dict[str, np.ndarray]
    scalars: dict[str, np.ndarray]
    truncated: bool

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
        """The name of the run folder; of a part of a run, with the part's name."""
        part = self.info.get("part")
        return f"{self.path.name} ({part})" if part else self.path.name

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
        found = parts_of(~self.missing, self.scalars.get("optimizer", np.zeros(len(self.steps))))
        if len(found) < 2:
            return [self]
        names: list[str] = []
        for optimizer, _, columns in found:
            is_alone = [number for number, _, _ in found].count(optimizer) == 1
            name = self._name_of(optimizer) if is_alone else self._network_of(columns)
            names.append(f"{name} {len(names)}" if name in names else name)
        return [
            self._part(name, rows, columns)
            for name, (_, rows, columns) in zip(names, found, strict=True)
        ]

    def _name_of(self, optimizer: int) -> str:
        # The attributes have names such as `critic_optimizer`.
        known = self.info.get("optimizers", [])
        return known[optimizer].removesuffix("_optimizer") if known else "optimizer"

    def _network_of(self, columns: np.ndarray) -> str:
        return self.weights["path"][columns[0]].split("/")[0]

    def _part(self, name: str, rows: np.ndarray, columns: np.ndarray) -> "Run":
        weights = self.weights.iloc[columns].reset_index(drop=True)
        return replace(
            self,
            info={**self.info, "part": name, "depth": int(weights["depth"].max())},
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
        """The rows of all probes: `epoch`, `probe`, `layer`, `depth`, `value`; may be empty."""
        columns = ["epoch", "probe", "layer", "depth", "value"]
        frame = pd.DataFrame(self.info.get("probes", []), columns=columns)
        return frame.astype({"epoch": int, "depth": int, "value": float})

    def _epoch_columns(self) -> list[str]:
        rows = [{"epoch": 0, "steps": 0}, *self.info["epochs"]]
        return list(dict.fromkeys(name for row in rows for name in row))

    def to_pandas(self) -> pd.DataFrame:
        """One row per step and weight: `step`, `path`, `layer`, `role`, `depth`, statistics."""
        rows = np.tile(np.arange(len(self.weights)), len(self.steps))
        frame = self.weights[["path", "layer", "role", "depth"]].take(rows).reset_index(drop=True)
        frame.insert(0, "step", np.repeat(self.steps, len(self.weights)))
        return frame.assign(**{name: data.ravel() for name, data in self.statistics.items()})


def parts_of(
    present: np.ndarray, optimizer: np.ndarray
) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """The optimizer, rows and columns of each set of weights that are trained together, in order.

    Weights are trained together if one step of one optimizer has gradients for both.

    Args:
        present: where a weight got a gradient [S, W].
        optimizer: number of the optimizer of each step [S].
    """
    from scipy.sparse.csgraph import connected_components

    found = []
    for number in np.unique(optimizer).astype(int):
        here = present & (optimizer == number)[:, None]
        _, labels = connected_components(here.T.astype("float32") @ here.astype("float32"))
        for label in np.unique(labels[here.any(axis=0)]):
            columns = np.flatnonzero(labels == label)
            found.append((int(number), np.flatnonzero(here[:, columns].any(axis=1)), columns))
    return sorted(found, key=lambda part: (part[0], part[1][0]))


def load_run(path: str | Path) -> Run:
    """Reads a run folder; the run may still go on, or may have been killed.

    Args:
        path: the folder that was given to `GradientRecorder`.

    Raises:
        FileNotFoundError: if there is no run in the folder.
        ValueError: if the folder was written by a version of keraskip with another format.

    Example:

    >>> run = load_run("runs/resnet56")  # doctest: +SKIP
    >>> run.grad_norm.shape  # doctest: +SKIP
    (225, 114)
    """
    path = Path(path)
    info = read_info(path)
    weights = pd.DataFrame(info["weights"])
    columns, truncated = _read_columns(path / STEPS_FILE, len(weights))
    steps = columns.pop("step")
    scalars = {name: data for name, data in columns.items() if data.ndim == 1}
    statistics = {name: data for name, data in columns.items() if data.ndim == 2}
    return Run(path, info, weights, steps, statistics, scalars, truncated)


def _read_columns(path: Path, width: int) -> tuple[dict[str, np.ndarray], bool]:
    with pa.OSFile(str(path)) as file:
        reader = pa.ipc.open_stream(file)
        batches, truncated = _read_batches(reader)
        table = pa.Table.from_batches(batches, schema=reader.schema)
    columns = {}
    for field in reader.schema:
        column = table.column(field.name).combine_chunks()
        is_statistic = pa.types.is_fixed_size_list(field.type)
        columns[field.name] = (
            column.flatten().to_numpy().reshape(-1, width) if is_statistic else column.to_numpy()
        )
    return columns, truncated


def _read_batches(reader: pa.RecordBatchReader) -> tuple[list[pa.RecordBatch], bool]:
    batches = []
    while True:
        try:
            batches.append(reader.read_next_batch())
        except StopIteration:
            return batches, False
        except (pa.ArrowInvalid, OSError):
            # The run was killed while it wrote. Everything before this point is whole.
            return batches, True


def find_runs(paths: Sequence[str | Path]) -> list[Path]:
    """The run folders among `paths`, and directly inside them in the order of training.

    Raises:
        FileNotFoundError: if a path neither is nor holds a run folder.
    """
    return [folder for path in paths for folder in _runs_at(Path(path))]


def _runs_at(path: Path) -> list[Path]:
    if not path.is_dir():
        raise FileNotFoundError(f"There is no folder {path}.")
    if (path / INFO_FILE).is_file():
        return [path]
    inside = [file.parent for file in path.glob(f"*/{INFO_FILE}")]
    if not inside:
        raise FileNotFoundError(f"There is no run in {path}, nor in the folders inside it.")
    return sorted(inside, key=_start)


def _start(folder: Path) -> tuple[str, str]:
    """Orders runs as they were trained; runs that started in the same second, by name."""
    info = json.loads((folder / INFO_FILE).read_text(encoding="utf-8"))
    return info.get("started", ""), folder.name
