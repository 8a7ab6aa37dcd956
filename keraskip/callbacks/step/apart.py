"""TensorFlow on a CPU only: weights that are measured where they lie, beside a matrix of others.

To join a weight copies it three times, and for a large one memory takes most of the time of a step
that is recorded. So gradient and weight are read where they are. The optimizer's update does not
write over a weight that is still needed; the change then takes the place of the weight before.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import keras
import numpy as np

from keraskip.callbacks.step.matrix import Layout, value_of
from keraskip.callbacks.step.places import Sizes

# Elements: a smaller weight costs less as part of a matrix.
LARGE = 2**16


def are_apart(variables: Sequence[keras.Variable]) -> list[bool]:
    """Which weights are measured by themselves; none on several devices or a GPU.

    A GPU waits longer for operations to begin than for memory.
    """
    import tensorflow as tf

    devices = tf.config.list_logical_devices()
    is_cpu = all(device.device_type == "CPU" for device in devices)
    if not is_cpu or tf.distribute.get_strategy().num_replicas_in_sync > 1:
        return [False] * len(variables)
    return [prod(v.shape) >= LARGE and v.dtype == "float32" for v in variables]


class PartlyJoined(Sizes):
    """Weights: the first ones stay apart, the others, if any, are joined.

    A list stands for a matrix: the tensors of the first ones, then the matrix of the others.

    Args:
        shapes: of the weights.
        apart: how many of them stay apart.

    Attributes:
        exact: see `Layout.exact`.
        given: see `Layout.given`.
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]], apart: int) -> None:
        super().__init__(np.array([prod(shape) for shape in shapes], "float32"))
        self._apart = apart
        self._joined = Layout(shapes[apart:]) if apart < len(shapes) else None
        self.exact = _exact_with_joined if self._joined else _exact
        self.given = self._joined.given if self._joined else ()

    def join(self, tensors: Mapping[int, Any], dtype: str, use: str) -> list[Any]:
        """See `Layout.join`; a single zero stands for a tensor that is missing."""
        import tensorflow as tf

        first = range(self._apart)
        parts = [value_of(tensors[i]) if i in tensors else tf.zeros([1]) for i in first]
        parts = [tf.cast(part, "float32") for part in parts]
        if self._joined:
            rest = {i - self._apart: each for i, each in tensors.items() if i >= self._apart}
            parts.append(self._joined.join(rest, dtype, use))
        return parts

    def squares(self, several: Sequence[list[Any]]) -> Any:
        """See `Layout.squares`."""
        import tensorflow as tf

        halves = [tf.nn.l2_loss(parts[i]) for i in range(self._apart) for parts in several]
        apart = 2 * tf.reshape(tf.stack(halves), [self._apart, len(several)])
        if not self._joined:
            return apart
        return tf.concat([apart, self._joined.squares([parts[-1] for parts in several])], 0)

    def largest(self, parts: list[Any]) -> Any:
        """See `Layout.largest`."""
        import tensorflow as tf

        first = parts[: self._apart]
        highest = tf.stack([tf.reduce_max(part) for part in first])
        lowest = tf.stack([tf.reduce_min(part) for part in first])
        apart = tf.maximum(highest, -lowest)
        return tf.concat([apart, self._joined.largest(parts[-1])], 0) if self._joined else apart


def _exact_with_joined(rows: Any, owner: Any, sizes: Any, *tensors: Any) -> tuple[Any, ...]:
    """See `Layout.exact`; gradients and changes are lists as in `PartlyJoined`."""
    import tensorflow as tf

    last = len(tensors) // 2 - 1
    apart = _exact(*tensors[:last], *tensors[last + 1 : -1])
    joined = Layout.exact(rows, owner, sizes, tensors[last], tensors[-1])
    return tuple(tf.concat(both, 0) for both in zip(apart, joined, strict=True))


def _exact(*tensors: Any) -> tuple[Any, ...]:
    """The numbers of `Layout.exact` of weights by themselves: gradients first, then changes."""
    import tensorflow as tf

    gradients, changes = tensors[: len(tensors) // 2], tensors[len(tensors) // 2 :]
    weights = map(_exact_of_one, gradients, changes)
    return tuple(tf.stack(column) for column in zip(*weights, strict=True))


def _exact_of_one(gradient: Any, change: Any) -> tuple[Any, Any, Any, Any, Any]:
    import tensorflow as tf

    nonfinite = tf.reduce_sum(1 - tf.cast(tf.math.is_finite(gradient), "float32"))
    norm, largest = _norm_and_largest(gradient)
    update, _ = _norm_and_largest(change)
    frozen = tf.reduce_mean(tf.cast(tf.equal(change, 0), "float32"))
    return norm, largest, nonfinite, update, frozen


def _norm_and_largest(x: Any) -> tuple[Any, Any]:
    """See `Places.norm_and_largest`."""
    import tensorflow as tf

    peak = tf.maximum(tf.reduce_max(x), -tf.reduce_min(x))
    scale = tf.where((peak > 0) & tf.math.is_finite(peak), peak, 1.0)
    norm = scale * tf.sqrt(tf.reduce_sum(tf.square(x / scale)))
    # A maximum may skip a NaN, a sum does not.
    return norm, tf.where(tf.math.is_nan(norm), norm, peak)
