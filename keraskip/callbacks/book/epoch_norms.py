"""Three numbers for the logs of an epoch, which other callbacks and the progress bar show."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keraskip.callbacks.columns import STATISTICS

NORM = STATISTICS.index("grad_norm")
COUNT = STATISTICS.index("grad_nonfinite")


class EpochNorms:
    """Mean norms of the gradient over the recorded steps of an epoch.

    Args:
        weights: the recorded weights, those nearest to the input first.
    """

    def __init__(self, weights: Sequence[Mapping[str, Any]]) -> None:
        kernels = [index for index, weight in enumerate(weights) if len(weight["shape"]) > 1]
        self._parts: dict[str, Any] = {"grad_norm": slice(None)}
        if kernels:
            self._parts["grad_norm_first"] = kernels[:1]
            self._parts["grad_norm_last"] = kernels[-1:]
        self._reset()

    def add(self, values: np.ndarray) -> None:
        """Takes in the statistics of some steps [steps, weights, columns]."""
        # A weight without gradient has no count either; a NaN gradient has one.
        missing = np.isnan(values[:, :, COUNT])
        squares = np.square(np.where(missing, 0.0, values[:, :, NORM].astype(float)))
        for name, part in self._parts.items():
            # In a training of several networks in turn, a kernel has no gradient in some steps.
            counted = ~missing[:, part].all(axis=1)
            self._steps[name] += int(counted.sum())
            # One by one, so that rounding does not depend on the number of rows at a time.
            for norm in np.sqrt(squares[counted][:, part].sum(axis=1)):
                self._sums[name] += norm

    def take(self) -> dict[str, float]:
        """The means so far, of the whole gradient and of the first and last kernel; starts anew.

        NaN if there was no step with such a gradient.
        """
        means = {
            name: float(total / steps) if (steps := self._steps[name]) else math.nan
            for name, total in self._sums.items()
        }
        self._reset()
        return means

    def _reset(self) -> None:
        self._steps = dict.fromkeys(self._parts, 0)
        self._sums = dict.fromkeys(self._parts, 0.0)
