"""The first gradient, and the first moving average of a normalisation, that is not finite."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from keraskip.callbacks.columns import STATISTICS

COUNT = STATISTICS.index("grad_nonfinite")


class NonFinite:
    """Finds values that are NaN or infinite, once in gradients and once in moving averages.

    Args:
        weights: the recorded weights, those nearest to the input first.
        known: earlier findings, of a run that goes on.
    """

    def __init__(
        self, weights: Sequence[Mapping[str, Any]], known: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        self._paths = [weight["path"] for weight in weights]
        self._gradient_told = any("step" in finding for finding in known)
        self._average_told = any("epoch" in finding for finding in known)

    def in_gradients(self, steps: np.ndarray, values: np.ndarray) -> dict[str, Any] | None:
        """The first step with such a gradient, and the weight where it begins on the way back.

        Args:
            steps: numbers of steps [S].
            values: their statistics [S, weights, columns].
        """
        broken = values[:, :, COUNT] > 0
        if self._gradient_told or not broken.any():
            return None
        self._gradient_told = True
        first = int(np.argmax(broken.any(axis=1)))
        step = int(steps[first])
        weights = np.flatnonzero(broken[first])
        path = self._paths[weights[-1]]
        message = (
            f"The gradient is NaN or infinite, first in step {step}. On the way back from the "
            f"loss it begins at {path}: {len(weights)} of {len(self._paths)} recorded weights."
        )
        return {"step": step, "path": path, "weights": len(weights), "message": message}

    def in_moving_averages(
        self, averages: Iterable[tuple[str, np.ndarray]], epoch: int
    ) -> dict[str, Any] | None:
        """The first moving average that is broken; it stays so, and spoils later predictions.

        Args:
            averages: the moving averages of batch normalisation, each with its path.
            epoch: the epoch that ended.
        """
        if self._average_told:
            return None
        for path, average in averages:
            if not np.isfinite(average).all():
                self._average_told = True
                message = f"After epoch {epoch} {path} holds NaN or infinity."
                return {"epoch": epoch, "path": path, "message": message}
        return None
