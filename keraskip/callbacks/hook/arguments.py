"""The arguments of a recorder, checked before any work starts."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keraskip.callbacks.columns import FURTHER, STATISTICS
from keraskip.callbacks.hook.probe import Probe
from keraskip.checks import check_choice, check_integer


def all_statistics(further: Sequence[str]) -> tuple[str, ...]:
    """All statistics to record."""
    if isinstance(further, str):
        raise TypeError(
            f"statistics must be a list of names, such as [{further!r}]. "
            f"Received: statistics={further!r}"
        )
    for name in further:
        check_choice("Each of statistics", str(name), FURTHER)
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
    return lambda step: step % every == 0


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
