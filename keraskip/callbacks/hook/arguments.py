"""The arguments of a recorder, checked before any work starts."""

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from keraskip.callbacks.book.tracker import Tracker
from keraskip.callbacks.book.trackers import made_trackers
from keraskip.callbacks.columns import FURTHER, STATISTICS
from keraskip.callbacks.hook.probe import Probe
from keraskip.callbacks.step.measurement import KINDS
from keraskip.checks import check_choice, check_integer
from keraskip.runs import check_facts

ON_NONFINITE = ("warn", "stop", "ignore")
VERBOSE = (0, 1, 2, False, True)
ON_FINDING = (None, "stop")


class Settings(NamedTuple):
    """The arguments of `GradientRecorder`, which explains them; `due` is made from `every`."""

    run_dir: Path
    due: Callable[[int], bool]
    layers: str | Callable[[str], bool] | None
    statistics: tuple[str, ...]
    kind: str
    on_nonfinite: str
    trackers: list[Tracker]
    probe: Probe | None
    info: dict[str, Any]
    overwrite: bool
    initial_epoch: int
    verbose: int
    on_finding: str | None


def checked_settings(
    run_dir: Any,
    *,
    every: Any,
    layers: Any,
    statistics: Sequence[str],
    kind: str,
    on_nonfinite: str,
    tensorboard: bool,
    trackers: Sequence[str | Tracker],
    probe: Any,
    info: Any,
    overwrite: bool,
    initial_epoch: Any,
    verbose: Any,
    on_finding: Any,
) -> Settings:
    """The settings that the arguments of a recorder make, once all of them can be used."""
    check_choice("kind", kind, KINDS)
    check_choice("on_nonfinite", on_nonfinite, ON_NONFINITE)
    check_choice("verbose", verbose, VERBOSE)
    check_choice("on_finding", on_finding, ON_FINDING)
    shown_by = made_trackers(trackers, tensorboard)
    first = check_integer("initial_epoch", initial_epoch, minimum=0)
    return Settings(
        due=schedule(every),
        layers=checked_filter(layers),
        statistics=all_statistics([*statistics, "histogram"] if shown_by else statistics),
        kind=kind,
        probe=made_probe(probe),
        info=checked_info(info),
        on_nonfinite=on_nonfinite,
        run_dir=checked_folder(run_dir),
        trackers=shown_by,
        initial_epoch=first,
        overwrite=overwrite,
        verbose=int(verbose),
        on_finding=on_finding,
    )


def all_statistics(further: Sequence[str]) -> tuple[str, ...]:
    """All statistics to record."""
    if isinstance(further, str):
        raise TypeError(
            f"statistics must be a list of names, such as [{further!r}]. "
            f"Received: statistics={further!r}"
        )
    for name in further:
        check_choice("statistics", str(name), FURTHER)
    return STATISTICS + tuple(name for name in FURTHER if name in further)


def made_probe(batch: Any) -> Probe | None:
    """The probe on a batch, if there is one."""
    if batch is None:
        return None
    is_pair = isinstance(batch, tuple | list) and len(batch) == 2
    parts = [_as_arrays(part) for part in (batch if is_pair else [batch])]
    shapes = [np.shape(array) for array in keras.tree.flatten(parts)]
    if not is_pair or len({shape[:1] for shape in shapes}) != 1 or () in shapes:
        raise ValueError(
            "probe must be a pair (x, y) of as many samples as labels. "
            f"Received: {type(batch).__name__} with arrays of shapes {shapes}"
        )
    return Probe(*parts)


def _as_arrays(part: Any) -> Any:
    """Arrays in the structure in which they came; nested lists of numbers are one array."""
    if isinstance(part, list | tuple) and not any(map(np.ndim, keras.tree.flatten(part))):
        return np.asarray(part)
    return keras.tree.map_structure(np.asarray, part)


def schedule(every: int | Callable[[int], bool]) -> Callable[[int], bool]:
    """Whether to record the step of a number."""
    if callable(every):
        return every
    if isinstance(every, bool) or not hasattr(every, "__index__"):
        raise TypeError(f"every must be an integer or a function. Received: every={every!r}")
    every = check_integer("every", every, minimum=1)
    # Not a function in a function: a recorder can be pickled.
    return partial(_is_multiple, every)


def _is_multiple(every: int, step: int) -> bool:
    return step % every == 0


def checked_folder(run_dir: Any) -> Path:
    """The folder, once it can be one."""
    if not isinstance(run_dir, str | os.PathLike) or not str(run_dir):
        raise TypeError(f"run_dir must be the path of a folder. Received: run_dir={run_dir!r}")
    return Path(run_dir)


def checked_info(info: Any) -> dict[str, Any]:
    """The facts for `run.json`, once they can be written there."""
    if info is not None and not isinstance(info, Mapping):
        raise TypeError(f"info must be a dictionary. Received: info={info!r}")
    for key, value in (info or {}).items():
        try:
            json.dumps({key: value}, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"info must hold values that JSON has: {error}. Received: {key!r}: {value!r}"
            ) from None
    try:
        check_facts(info or {})
    except ValueError as error:
        raise ValueError(
            f"info must not use the names of run.json otherwise: {error}. Received: info={info!r}"
        ) from None
    return dict(info or {})


def checked_filter(layers: Any) -> str | Callable[[str], bool] | None:
    """The choice of weights, once it can be used."""
    if layers is not None and not isinstance(layers, str) and not callable(layers):
        raise TypeError(
            f"layers must be a regular expression or a function. Received: layers={layers!r}"
        )
    if isinstance(layers, str):
        try:
            re.compile(layers)
        except re.error as error:
            raise ValueError(
                f"layers must be a regular expression: {error}. Received: layers={layers!r}"
            ) from None
    return layers
