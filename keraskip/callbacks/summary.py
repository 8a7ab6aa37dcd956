"""Three numbers of an epoch for its logs, where other callbacks and the progress bar find them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keraskip.callbacks.statistics import STATISTICS

NORM = STATISTICS.index("grad_norm")
COUNT = STATISTICS.index("grad_nonfinite")


def epoch_norms(
    rows: Sequence[np.ndarray], weights: Sequence[Mapping[str, Any]]
) -> dict[str, float]:
    """Mean norms over the recorded steps of one epoch.

    Args:
        rows: what was recorded, arrays [steps, weights, statistics].
        weights: the recorded weights, those nearest to the input first.

    Returns:
        `grad_norm` of the whole gradient, and `grad_norm_first` and `grad_norm_last` of the first
        and last kernel; nothing if there was no step.
    """
    if not rows:
        return {}
    values = np.concatenate(rows).astype(float)
    # A weight without gradient has no count either; a NaN gradient has one.
    norms = np.where(np.isnan(values[:, :, COUNT]), 0.0, values[:, :, NORM])
    found = {"grad_norm": np.sqrt(np.square(norms).sum(axis=1))}
    kernels = [place for place, weight in enumerate(weights) if len(weight["shape"]) > 1]
    if kernels:
        found["grad_norm_first"] = norms[:, kernels[0]]
        found["grad_norm_last"] = norms[:, kernels[-1]]
    return {name: float(each.mean()) for name, each in found.items()}
