"""Statistics that compare a gradient with those of the steps before."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keraskip.callbacks.chunks import Chunks
from keraskip.callbacks.statistics import unit

# The signal-to-noise ratio is that of about so many recorded steps: the time in which a step's
# share in the moving averages falls to 1/e.
WINDOW = 20
KEEP = 1 - 1 / WINDOW


class Memory:
    """Keeps what `cosine` and `snr` need of all weights: one and two numbers for each element.

    A gradient whose squares are not finite is not remembered.

    Args:
        chunks: how matrices hold the weights.
        statistics: which statistics are wanted.
    """

    def __init__(self, chunks: Chunks, statistics: Sequence[str]) -> None:
        self._chunks = chunks
        shapes: dict[str, tuple[int, ...]] = {}
        if "cosine" in statistics:
            shapes["last"] = chunks.shape
        if "snr" in statistics:
            shapes |= {"mean": chunks.shape, "square": chunks.shape, "share": (chunks.weights,)}
        options = {"trainable": False, "aggregation": "only_first_replica"}
        self._kept = {
            name: keras.Variable("zeros", shape, "float32", name=f"gradient_{name}", **options)
            for name, shape in shapes.items()
        }

    @property
    def variables(self) -> list[keras.Variable]:
        """All that is kept."""
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
        squares = self._chunks.sum(ops.square(gradient))
        usable = ops.logical_and(given, ops.isfinite(squares))
        found = {}
        if "last" in self._kept:
            last = self._kept["last"].value
            product = unit(self._chunks, gradient) * unit(self._chunks, last)
            found["cosine"] = self._chunks.sum(product)
            self._kept["last"].assign(ops.where(self._chunks.spread(usable), gradient, last))
        if "mean" in self._kept:
            found["snr"] = self._signal_to_noise(gradient, usable)
        return found

    def _signal_to_noise(self, gradient: Any, usable: Any) -> Any:
        spread, total = self._chunks.spread, self._chunks.sum
        share = self._averaged("share", ops.ones_like(self._kept["share"].value), usable)
        mean = self._averaged("mean", gradient, spread(usable)) / spread(share)
        square = self._averaged("square", ops.square(gradient), spread(usable)) / spread(share)
        noise = total(ops.maximum(square - ops.square(mean), 0.0))
        # After the first step there is no noise to be known.
        known = ops.logical_and(share > 1.5 * (1 - KEEP), noise > 0)
        ratio = ops.sqrt(total(ops.square(mean)) / ops.where(known, noise, 1.0))
        return ops.where(known, ratio, float("nan"))

    def _averaged(self, name: str, new: Any, usable: Any) -> Any:
        old = self._kept[name].value
        average = ops.where(usable, KEEP * old + (1 - KEEP) * new, old)
        self._kept[name].assign(average)
        return average
