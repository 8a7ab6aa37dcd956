"""Samples as people hand them over, read as an array for each input. Loads no framework."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from keraskip.export.network.tensors import Batch, Tensor, name_at

# Kinds of arrays, as NumPy abbreviates them: objects, strings, bytes, dates, durations, complex.
NO_NUMBERS = "OUSMmc"


def batch_for(inputs: Sequence[Tensor], nesting: Any, argument: str, samples: Any) -> Batch:
    """An array for each input by its name.

    Args:
        inputs: the inputs.
        nesting: the model's own nesting of its inputs, with the number of each.
        argument: what the samples are called in an error.
        samples: one array, if there is one input; a dict by the names of the inputs; a list in
            their order; or the arrays nested as the model takes them.

    Raises:
        ValueError: unless the samples fit the inputs.
    """
    refused = None
    for values in _readings(inputs, nesting, samples):
        try:
            return _batch(inputs, values)
        except ValueError as error:
            refused = refused or error
    raise ValueError(
        f"{argument} must be samples as the model takes them, {'; '.join(map(str, inputs))}. "
        f"Received: {refused or _found(samples)}"
    )


def _readings(inputs: Sequence[Tensor], nesting: Any, samples: Any) -> Iterator[list]:
    """The arrays in the order of the inputs, in each way that the samples can be read."""
    nested = dict(_nested(nesting, samples))
    if len(nested) == len(inputs):
        yield [nested[index] for index in range(len(inputs))]
    if isinstance(samples, Mapping):
        named = {name_at([key], "input"): each for key, each in samples.items()}
        if len(samples) == len(inputs) and {*named} == {each.name for each in inputs}:
            yield [named[each.name] for each in inputs]
    elif len(inputs) == 1:
        yield [samples]
    elif isinstance(samples, list | tuple) and len(samples) == len(inputs):
        yield list(samples)


def _nested(nesting: Any, samples: Any) -> Iterator[tuple[int, Any]]:
    """The arrays by the number of their input, where the samples are nested as the model's."""
    if isinstance(nesting, int):
        yield nesting, samples
    elif isinstance(nesting, Mapping):
        # The keys of a card are strings, whatever the model has.
        inner = {str(key): each for key, each in nesting.items()}
        if isinstance(samples, Mapping) and {*inner} == {*map(str, samples)}:
            for key, each in samples.items():
                yield from _nested(inner[str(key)], each)
    elif isinstance(samples, list | tuple) and len(samples) == len(nesting):
        for inner, each in zip(nesting, samples, strict=True):
            yield from _nested(inner, each)


def _batch(inputs: Sequence[Tensor], values: Sequence[Any]) -> Batch:
    """ValueError, with no more than what came, unless the values fit the inputs."""
    batch = {each.name: _exact(each, value) for each, value in zip(inputs, values, strict=True)}
    shapes = {name: list(array.shape) for name, array in batch.items()}
    lengths = {shape[0] if shape else 0 for shape in shapes.values()}
    fits = all(each.fits(shapes[each.name]) for each in inputs)
    if not fits or len(lengths) > 1 or 0 in lengths:
        raise ValueError(shapes)
    return batch


def _exact(tensor: Tensor, values: Any) -> np.ndarray:
    """The values in the type of an input; ValueError if they would become others."""
    try:
        given = np.asarray(values, object if tensor.dtype == "string" else None)
    except ValueError:
        raise ValueError(f"lists of several lengths for {tensor.name!r}") from None
    if kind := _wrong_kind(tensor, given):
        raise ValueError(f"values of type {kind} for {tensor.name!r}")
    with np.errstate(invalid="ignore", over="ignore"):
        array = tensor.batch(given)
    if array.dtype.kind == "f":
        is_other = np.isfinite(array) != np.isfinite(given)
    else:
        is_other = array != given
    if np.any(is_other):
        raise ValueError(f"{given[is_other][0]} for {tensor.name!r}, which is {tensor.dtype}")
    return array


def _wrong_kind(tensor: Tensor, given: np.ndarray) -> str | None:
    """The type of values that are no text for strings, or no numbers for numbers."""
    if tensor.dtype != "string":
        return str(given.dtype) if given.dtype.kind in NO_NUMBERS else None
    return next(
        (type(one).__name__ for one in given.flat if not isinstance(one, str | bytes)), None
    )


def _found(samples: Any) -> Any:
    if isinstance(samples, Mapping):
        return list(samples)
    return f"{len(samples)} arrays" if isinstance(samples, list | tuple) else "an array"
