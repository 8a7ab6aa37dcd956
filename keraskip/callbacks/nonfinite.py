"""The first gradient, and the first statistic of a normalisation, that is NaN or infinite."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keraskip.callbacks.statistics import STATISTICS

COUNT = STATISTICS.index("grad_nonfinite")


class NonFinite:
    """Finds what is not finite, and says so once for gradients and once for statistics.

    Args:
        weights: the recorded weights, those nearest to the input first.
        known: what was found before, in a run that goes on.
    """

    def __init__(
        self, weights: Sequence[Mapping[str, Any]], known: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        self._paths = [weight["path"] for weight in weights]
        self._gradient_told = any("step" in finding for finding in known)
        self._statistic_told = any("epoch" in finding for finding in known)

    def in_gradients(self, steps: np.ndarray, values: np.ndarray) -> dict[str, Any] | None:
        """The first step with such a gradient, and where on the way back from the loss it began.

        Args:
            steps: numbers of steps [S].
            values: what was recorded of them [S, weights, statistics].
        """
        broken = values[:, :, COUNT] > 0
        if self._gradient_told or not broken.any():
            return None
        self._gradient_told = True
        first = int(np.argmax(broken.any(axis=1)))
        step = int(steps[first])
        places = np.flatnonzero(broken[first])
        path = self._paths[places[-1]]
        message = (
            f"The gradient is NaN or infinite, first in step {step}. On the way back from the "
            f"loss it begins at {path}: {len(places)} of {len(self._paths)} recorded weights."
        )
        return {"step": step, "path": path, "weights": len(places), "message": message}

    def in_statistics(self, model: keras.Model, epoch: int) -> dict[str, Any] | None:
        """The first moving average of batch normalisation that is broken.

        It stays so, and spoils every later prediction.

        Args:
            model: the model after the epoch.
            epoch: its number.
        """
        if self._statistic_told:
            return None
        norms = (
            layer
            for layer in model._flatten_layers()
            if isinstance(layer, keras.layers.BatchNormalization) and layer.built
        )
        for variable in (each for norm in norms for each in norm.non_trainable_variables):
            if not np.isfinite(ops.convert_to_numpy(variable.value)).all():
                self._statistic_told = True
                message = f"After epoch {epoch} {variable.path} holds NaN or infinity."
                return {"epoch": epoch, "path": variable.path, "message": message}
        return None
