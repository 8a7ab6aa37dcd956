"""The statistics of weights in one training step: few operations on all of them together."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keraskip.callbacks.columns import DECADE_COLUMNS, DECADES, STATISTICS, columns_of
from keraskip.callbacks.step import optimizers
from keraskip.callbacks.step.apart import PartlyJoined
from keraskip.callbacks.step.choice import quick_or_exact
from keraskip.callbacks.step.earlier_gradients import EarlierGradients
from keraskip.callbacks.step.matrix import Layout
from keraskip.callbacks.step.places import Places

# IEEE 754: below this, float16 loses digits.
SMALLEST_NORMAL_FLOAT16 = 2.0**-14


class SeenJoined(NamedTuple):
    """A view of joined weights before a step.

    Attributes:
        indices: for each weight with a gradient, by its row, its index in the optimizer.
        gradient: the gradients, as the layout joins them.
        weights: the weights, likewise.
    """

    indices: dict[int, int]
    gradient: Any
    weights: Any


class JoinedWeights:
    """Weights joined into matrices, all but some large ones, so that few operations measure them.

    Args:
        variables: the weights, of any kind, in the order of the rows.
        statistics: names from `keraskip.callbacks.columns`.
        apart: how many weights, the first ones, are measured where they are; only with the
            statistics of `STATISTICS`.
    """

    def __init__(
        self, variables: Sequence[keras.Variable], statistics: Sequence[str], apart: int = 0
    ) -> None:
        self._row_of = {id(variable): row for row, variable in enumerate(variables)}
        # Weights of several types go into one matrix, with all their digits.
        precise = any(variable.dtype == "float64" for variable in variables)
        self._dtype = "float64" if precise else "float32"
        self._statistics = tuple(statistics)
        shapes = [tuple(variable.shape) for variable in variables]
        layout: Any = PartlyJoined(shapes, apart) if apart else Layout(shapes)
        self._layout, self._earlier = layout, EarlierGradients(layout, statistics)

    @property
    def variables(self) -> list[keras.Variable]:
        """The variables that are kept from step to step."""
        return self._earlier.variables

    def before(
        self, variables: Sequence[keras.Variable], grads: Mapping[int, Any], values: Sequence[Any]
    ) -> SeenJoined:
        """A view before the optimizer's step; nothing later can change it.

        Args:
            variables: the optimizer's.
            grads: the gradients to measure by the index of their variable.
            values: the values of the variables.
        """
        indices = optimizers.indices_by_row(self._row_of, variables, grads)
        by_row = {row: grads[index] for row, index in indices.items()}
        gradient = self._layout.join(by_row, "float32", "gradient")
        by_row = {row: values[index] for row, index in indices.items()}
        return SeenJoined(indices, gradient, self._layout.join(by_row, self._dtype, "before"))

    def table(
        self, seen: SeenJoined, variables: Sequence[keras.Variable], updated: Any, exist: Any = True
    ) -> Any:
        """The statistics after the step, with NaN for weights that got no gradient.

        Args:
            seen: the view that `before` returned.
            variables: the optimizer's.
            updated: whether the step changed the weights.
            exist: False while gradients are only being accumulated; the table is then NaN.
        """
        by_row = {row: variables[index] for row, index in seen.indices.items()}
        after = self._layout.join(by_row, self._dtype, "after")
        given: Any = True
        if len(seen.indices) < len(self._row_of):
            given = np.isin(np.arange(len(self._row_of)), list(seen.indices))
        matrices = seen.gradient, seen.weights, after
        columns = measure(self._layout, *matrices, updated, self._statistics, given)
        if exist is not True:
            given = ops.logical_and(given, exist)
        columns |= self._earlier.compare(seen.gradient, given)
        table = ops.stack([columns[name] for name in columns_of(self._statistics)], axis=-1)
        if given is True:
            return table
        return ops.where(ops.reshape(given, (-1, 1)), table, float("nan"))


def measure(
    layout: Any,
    gradient: Any,
    before: Any,
    after: Any,
    updated: Any = True,
    statistics: Sequence[str] = STATISTICS,
    given: Any = True,
) -> dict[str, Any]:
    """The statistics of W weights that one step gives by itself, each float32 `[W]`.

    Args:
        layout: a `Layout` or `PartlyJoined`, which has joined the next three.
        gradient: the gradients.
        before: the weights before the update, in their own dtype.
        after: the weights after the update.
        updated: whether there was an update; without one, its norm and the frozen share are NaN.
        statistics: names from `STATISTICS` and `FURTHER`.
        given: which weights got a gradient, `[W]`; the others' numbers mean nothing.
    """
    usual = usual_statistics(layout, gradient, before, after, given)
    known = dict(zip(STATISTICS, usual, strict=True))
    if updated is not True:
        for name in ("update_norm", "frozen"):
            known[name] = ops.where(updated, known[name], float("nan"))
    if "zeros" in statistics:
        known["zeros"] = layout.share_of_zeros(gradient == 0)
    if "below_float16" in statistics:
        known["below_float16"] = share_below_float16(layout, gradient)
    if "histogram" in statistics:
        known |= zip(DECADE_COLUMNS, shares_of_decades(layout, gradient), strict=True)
    return {column: known[column] for column in columns_of(statistics) if column in known}


def usual_statistics(
    layout: Any, gradient: Any, before: Any, after: Any, given: Any = True
) -> list:
    """The statistics of `STATISTICS`, each `[W]`, with few passes over the numbers."""
    change = _each(ops.subtract, after, before)
    old, moved = (_each(_as_float32, x) for x in (before, change))
    sums = layout.squares([gradient, moved, old])
    norms, largest = ops.sqrt(sums), layout.largest(gradient)
    nothing = ops.zeros_like(largest)
    quick = norms[:, 0], largest, nothing, norms[:, 1], nothing - 1
    is_exact = layout.are_exact(sums[:, :2], given)
    tensors = keras.tree.flatten([gradient, change])
    found = quick_or_exact(is_exact, quick, layout.exact, *layout.given, *tensors)
    norm, largest, nonfinite, update, frozen = found
    # The squares of signs count what changed.
    signs = _each(lambda x: ops.sign(_for_last_reader(x, frozen)), moved)
    changed = ops.round(layout.squares([signs])[:, 0])
    frozen = ops.where(frozen < 0, layout.share(layout.sizes - changed), frozen)
    # The squares of weights do not underflow.
    return [norm, largest, nonfinite, norms[:, 2], update, frozen]


def _each(function: Callable, *parts: Any) -> Any:
    """What a function gives for a matrix, or for each part of what stands for one."""
    return keras.tree.map_structure(function, *parts)


def _as_float32(x: Any) -> Any:
    return ops.cast(x, "float32")


def _for_last_reader(x: Any, after: Any) -> Any:
    """The same tensor; on TensorFlow its reader waits for another one, and may write over it."""
    if keras.backend.backend() != "tensorflow":
        return x
    import tensorflow as tf

    with tf.control_dependencies([after]):
        return tf.identity(x)


def share_below_float16(places: Places, x: Any) -> Any:
    """Share of elements that are not 0, but too small for all digits of float16."""
    below = ops.logical_and(x != 0, ops.abs(x) < SMALLEST_NORMAL_FLOAT16)
    return places.share(places.count(below))


def shares_of_decades(places: Places, x: Any) -> list:
    """Share of elements in each of `DECADES`: [1e-5, 1e-4) is decade -5."""
    size = ops.abs(x)
    _, *later = (10.0**decade for decade in DECADES)
    least = places.share(places.count(ops.logical_and(size > 0, size < later[0])))
    # Each share is a difference of two, so that they sum to the share of all numbers but 0.
    at_least = [places.share(places.count(size >= edge)) for edge in later]
    return [least, *(a - b for a, b in zip(at_least, [*at_least[1:], 0.0], strict=True))]
