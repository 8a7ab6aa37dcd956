"""What the batch of a training step tells: the range of its inputs, the mean of its labels."""

from typing import Any

import keras
from keras import ops

from keraskip.callbacks.step.choice import quick_or_exact


def input_numbers(inputs: Any) -> list:
    """Smallest, largest and mean finite value, and the number of values that are not finite.

    Args:
        inputs: the inputs of a model, nested. Those of floating point are looked at, or else the
            integers; NaN if there is neither.
    """
    tensors = [tensor for tensor in map(_numbers, leaves(inputs)) if tensor is not None]
    floating = [tensor for tensor in tensors if "float" in _dtype(tensor)]
    flat = [ops.reshape(ops.cast(tensor, "float32"), (-1,)) for tensor in floating or tensors]
    if not flat:
        return [float("nan")] * 4
    values = flat[0] if len(flat) == 1 else ops.concatenate(flat)
    total, size = ops.sum(values), ops.cast(ops.size(values), "float32")
    quick = ops.min(values), ops.max(values), total / size, ops.zeros_like(total)
    if not floating:
        return list(quick)
    # The sum of values that are not finite is not, either.
    return list(quick_or_exact(ops.isfinite(total), quick, _numbers_of_finite, values))


def _numbers_of_finite(values: Any) -> tuple[Any, Any, Any, Any]:
    finite = ops.isfinite(values)
    count = ops.sum(ops.cast(finite, "float32"))
    return (
        ops.min(ops.where(finite, values, float("inf"))),
        ops.max(ops.where(finite, values, float("-inf"))),
        ops.sum(ops.where(finite, values, 0.0)) / count,
        ops.cast(ops.size(values), "float32") - count,
    )


def label_numbers(labels: Any, units: int, are_classes: bool) -> list:
    """Count, mean and variance of the labels of one output, the latter two for each unit.

    Args:
        labels: numbers of classes, or values with the units on the last axis.
        units: number of units of the output, or of classes; 1 for all values together.
        are_classes: whether the labels are numbers of classes. The mean of a class is its share.
    """
    labels = _numbers(labels)
    if are_classes:
        shares, count = _shares(ops.reshape(ops.cast(labels, "int32"), (-1,)), units)
        return [count, shares, shares * (1.0 - shares)]
    values = ops.reshape(ops.cast(labels, "float32"), (-1, units))
    return [ops.shape(values)[0], ops.mean(values, axis=0), ops.var(values, axis=0)]


def _shares(classes: Any, units: int) -> tuple[Any, Any]:
    """The share of each class, and the number of labels; others than these classes are left out."""
    is_known = ops.logical_and(classes >= 0, classes < units)
    # A sum over segments may refuse what lies outside.
    classes = ops.where(is_known, classes, units)
    ones = ops.ones_like(classes, "float32")
    counts = ops.segment_sum(ones, classes, num_segments=units + 1)[:units]
    count = ops.sum(counts)
    return counts / count, count


def leaves(tensors: Any) -> list:
    """The tensors in a nested structure."""
    return [leaf for leaf in keras.tree.flatten(tensors) if leaf is not None]


def _numbers(tensor: Any) -> Any:
    """The numbers in a tensor; TensorFlow's own may be ragged or sparse. None for text."""
    for inside in ("flat_values", "values"):
        part = getattr(tensor, inside, None)
        tensor = part if part is not None and not callable(part) else tensor
    return None if "string" in str(tensor.dtype) else ops.convert_to_tensor(tensor)


def _dtype(tensor: Any) -> str:
    return keras.backend.standardize_dtype(tensor.dtype)
