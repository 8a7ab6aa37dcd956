"""Statistics that compare a gradient with those of the steps before."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keraskip.callbacks.statistics import unit

# The signal-to-noise ratio is that of about so many recorded steps: the time in which a step's
# share in the moving averages falls to 1/e.
WINDOW = 20
KEEP = 1 - 1 / WINDOW


class Memory:
    """Keeps of each weight what `cosine` and `snr` need: one and two numbers for each element.

    A gradient that is not finite is not remembered.

    Args:
        variables: the recorded weights.
        statistics: which statistics are wanted.
    """

    def __init__(self, variables: Sequence[keras.Variable], statistics: Sequence[str]) -> None:
        kept = {"cosine": ["last"], "snr": ["mean", "square", "share"]}
        self._kept = {
            name: [_kept(variable, name) for variable in variables]
            for statistic, names in kept.items()
            if statistic in statistics
            for name in names
        }

    @property
    def variables(self) -> list[keras.Variable]:
        """All that is kept."""
        return [variable for kept in self._kept.values() for variable in kept]

    def compare(self, gradient: Any, rows: list[int], measured: Any) -> dict[str, Any]:
        """The statistics `[G]` of G weights in these rows, from their gradients `[G, n]`."""
        gradient = ops.cast(gradient, "float32")
        usable = ops.logical_and(measured, ops.all(ops.isfinite(gradient), axis=-1))[:, None]
        found = {}
        if "last" in self._kept:
            last = self._stack("last", rows)
            found["cosine"] = ops.sum(unit(gradient) * unit(last), axis=-1)
            self._put("last", rows, ops.where(usable, gradient, last))
        if "mean" in self._kept:
            mean, square, share = (
                self._averaged(name, rows, new, usable)
                for name, new in (
                    ("mean", gradient),
                    ("square", ops.square(gradient)),
                    ("share", ops.ones_like(gradient[:, :1])),
                )
            )
            mean, square = mean / share, square / share
            signal = ops.sum(ops.square(mean), axis=-1)
            noise = ops.sum(ops.maximum(square - ops.square(mean), 0.0), axis=-1)
            # After the first step there is no noise to be known.
            known = ops.logical_and(share[:, 0] > 1.5 * (1 - KEEP), noise > 0)
            ratio = ops.sqrt(signal / ops.where(known, noise, 1.0))
            found["snr"] = ops.where(known, ratio, float("nan"))
        return found

    def _averaged(self, name: str, rows: list[int], new: Any, usable: Any) -> Any:
        old = self._stack(name, rows)
        average = ops.where(usable, KEEP * old + (1 - KEEP) * new, old)
        self._put(name, rows, average)
        return average

    def _stack(self, name: str, rows: list[int]) -> Any:
        return ops.stack([self._kept[name][row].value for row in rows])

    def _put(self, name: str, rows: list[int], values: Any) -> None:
        for index, row in enumerate(rows):
            self._kept[name][row].assign(values[index])


def _kept(variable: keras.Variable, name: str) -> keras.Variable:
    size = 1
    for side in () if name == "share" else variable.shape:
        size *= side
    options = {"trainable": False, "aggregation": "only_first_replica"}
    return keras.Variable("zeros", (size,), "float32", name=f"gradient_{name}", **options)
