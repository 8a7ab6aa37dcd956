"""Statistics that compare a gradient with the gradients of earlier steps."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keraskip.callbacks.step.matrix import Layout

# Recorded steps in the signal-to-noise ratio, about: after this many a step's share in the moving
# averages has fallen to 1/e.
WINDOW = 20
KEEP = 1 - 1 / WINDOW


class EarlierGradients:
    """Keeps the last gradient for `cosine`, and two moving averages for `snr`.

    A gradient whose squares are not finite is not remembered.

    Args:
        layout: how matrices hold the weights.
        statistics: which statistics are wanted.
    """

    def __init__(self, layout: Layout, statistics: Sequence[str]) -> None:
        self._layout = layout
        shapes: dict[str, tuple[int, ...]] = {}
        if "cosine" in statistics:
            shapes["last"] = layout.shape
        if "snr" in statistics:
            shapes |= {"mean": layout.shape, "square": layout.shape, "share": (layout.weights,)}
        options = {"trainable": False, "aggregation": "only_first_replica"}
        self._kept = {
            name: keras.Variable("zeros", shape, "float32", name=f"gradient_{name}", **options)
            for name, shape in shapes.items()
        }

    @property
    def variables(self) -> list[keras.Variable]:
        """The variables that hold what is kept."""
        return list(self._kept.values())

    def compare(self, gradient: Any, given: Any) -> dict[str, Any]:
        """The statistics `[W]`.

        Args:
            gradient: matrix of the gradients.
            given: which weights have one in this step, `[W]`.
        """
        if not self._kept:
            return {}
        gradient = ops.cast(gradient, "float32")
        squares = self._layout.sum(ops.square(gradient))
        usable = ops.logical_and(given, ops.isfinite(squares))
        columns = {}
        if "last" in self._kept:
            last = self._kept["last"].value
            product = self._layout.unit(gradient) * self._layout.unit(last)
            columns["cosine"] = self._layout.sum(product)
            self._kept["last"].assign(ops.where(self._layout.spread(usable), gradient, last))
        if "mean" in self._kept:
            columns["snr"] = self._signal_to_noise(gradient, usable)
        return columns

    def _signal_to_noise(self, gradient: Any, usable: Any) -> Any:
        spread, total = self._layout.spread, self._layout.sum
        share = self._averaged("share", ops.ones_like(self._kept["share"].value), usable)
        mean = self._averaged("mean", gradient, spread(usable)) / spread(share)
        square = self._averaged("square", ops.square(gradient), spread(usable)) / spread(share)
        noise = total(ops.maximum(square - ops.square(mean), 0.0))
        # A single step shows no noise.
        known = ops.logical_and(share > 1.5 * (1 - KEEP), noise > 0)
        ratio = ops.sqrt(total(ops.square(mean)) / ops.where(known, noise, 1.0))
        return ops.where(known, ratio, float("nan"))

    def _averaged(self, name: str, new: Any, usable: Any) -> Any:
        old = self._kept[name].value
        average = ops.where(usable, KEEP * old + (1 - KEEP) * new, old)
        self._kept[name].assign(average)
        return average
