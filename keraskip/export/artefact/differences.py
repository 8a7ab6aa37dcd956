"""How far the outputs of two networks lie apart."""

from collections.abc import Mapping
from typing import Any

import numpy as np

Outputs = Mapping[str, np.ndarray]


def largest(outputs: Outputs, expected: Outputs) -> float:
    """The largest difference over all outputs; NaN if one is NaN."""
    return float(np.max([largest_difference(outputs[name], expected[name]) for name in expected]))


def largest_difference(output: np.ndarray, expected: np.ndarray) -> float:
    """Relative to the largest expected number, or to 1; infinite for another shape.

    Expected numbers that are not finite do not count: from extreme samples the model overflows
    float32 itself. Whole numbers, such as classes, and strings must be the same.
    """
    if output.shape != expected.shape:
        return np.inf
    if expected.dtype.kind not in "fiub":
        return float(np.count_nonzero(output != expected))
    known = np.isfinite(expected)
    if not known.any():
        return 0.0
    wanted, found = (values[known].astype("float64") for values in (expected, output))
    scale = np.abs(wanted).max() if expected.dtype.kind == "f" else 1.0
    return float(np.abs(found - wanted).max() / max(1.0, scale))


def mean_difference(outputs: Outputs, expected: Outputs) -> float:
    """The sum of all differences of a sample, as a mean over samples.

    It is relative to the sum of the expected numbers, or to 1, the sum of probabilities.
    """
    shares = []
    for name, wanted in expected.items():
        if outputs[name].shape != wanted.shape:
            return np.inf
        off = _sums(outputs[name].astype("float64") - wanted)
        shares.append((off / np.maximum(_sums(wanted), 1.0)).mean())
    return float(np.max(shares))


def _sums(values: Any) -> np.ndarray:
    return np.asarray(np.abs(values).reshape(len(values) if values.ndim else 1, -1).sum(axis=1))
