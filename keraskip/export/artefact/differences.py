"""How far the outputs of two networks lie apart."""

from collections.abc import Mapping
from typing import Any

import numpy as np

# Kinds of arrays, as NumPy abbreviates them: floats, whole numbers with and without sign, booleans.
NUMBERS = "fiub"
Outputs = Mapping[str, np.ndarray]


def largest(outputs: Outputs, expected: Outputs, sizes: Mapping[str, float]) -> float:
    """The largest difference over all outputs; NaN if one is NaN.

    Args:
        outputs: what was found.
        expected: what is right.
        sizes: how large the numbers of each output usually are, for those that are smaller here.
    """
    return float(np.max([*by_output(outputs, expected, sizes).values()]))


def by_output(outputs: Outputs, expected: Outputs, sizes: Mapping[str, float]) -> dict[str, float]:
    """The largest difference of each output; the arguments are as for `largest`."""
    return {
        name: largest_difference(outputs[name], wanted, sizes[name])
        for name, wanted in expected.items()
    }


def largest_difference(output: np.ndarray, expected: np.ndarray, size: float = 1.0) -> float:
    """Relative to the largest expected number, or to `size`; infinite for another shape.

    Where a model overflows float32 itself, as for extreme samples, the output must not be finite
    either. Whole numbers, such as classes, and strings must be the same.
    """
    if output.shape != expected.shape:
        return np.inf
    if expected.dtype.kind not in NUMBERS:
        return float(np.count_nonzero(output != expected))
    known = np.isfinite(expected)
    if np.isfinite(output[~known]).any():
        return np.inf
    if not known.any():
        return 0.0
    wanted, found = (values[known].astype("float64") for values in (expected, output))
    if expected.dtype.kind != "f":
        return float(np.abs(found - wanted).max())
    return float(np.abs(found - wanted).max() / max(size, np.abs(wanted).max()))


def size_of(values: np.ndarray) -> float:
    """The largest finite number, without its sign; 1 if there is none above 0."""
    if values.dtype.kind != "f" or not np.isfinite(values).any():
        return 1.0
    return float(np.abs(values[np.isfinite(values)]).max()) or 1.0


def mean_difference(outputs: Outputs, expected: Outputs) -> float:
    """The sum of all differences of a sample, as a mean over samples.

    It is relative to the sum of the expected numbers, or to 1, the sum of probabilities. Strings
    must be the same.
    """
    shares = []
    for name, wanted in expected.items():
        if outputs[name].shape != wanted.shape:
            return np.inf
        if wanted.dtype.kind not in NUMBERS:
            shares.append(largest_difference(outputs[name], wanted))
            continue
        off = _sums(outputs[name].astype("float64") - wanted)
        shares.append((off / np.maximum(_sums(wanted), 1.0)).mean())
    return float(np.max(shares))


def _sums(values: Any) -> np.ndarray:
    return np.asarray(np.abs(values).reshape(len(values) if values.ndim else 1, -1).sum(axis=1))
