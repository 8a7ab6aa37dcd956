"""The numbers of batches: one for each step, and the labels over all steps."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keraskip.callbacks.columns import OF_BATCH


def batch_scalars(batches: np.ndarray) -> np.ndarray:
    """`OF_BATCH` of each step [S, numbers], from the parts of its batch on several devices.

    Args:
        batches: as in `Rows`.
    """
    loss, smallest, largest, mean, nonfinite = np.moveaxis(batches[:, :, : len(OF_BATCH)], 2, 0)
    columns = [loss.mean(1), smallest.min(1), largest.max(1), mean.mean(1), nonfinite.sum(1)]
    return np.stack(columns, axis=1)


class LabelTotals:
    """Count, mean and variance of the labels of each output, over the steps of a training.

    Args:
        widths: number of units or classes of each output.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        self._ends = np.cumsum([1 + 2 * width for width in widths])
        self._totals = [np.zeros((1, 1 + 2 * width)) for width in widths]

    def add(self, batches: np.ndarray) -> None:
        """Adds the batches of some steps, as in `Rows`."""
        numbers = batches.reshape(-1, batches.shape[2])[:, len(OF_BATCH) :].astype(float)
        parts = np.split(numbers, self._ends[:-1], axis=1)
        self._totals = [
            _pooled(np.concatenate([total, part[part[:, 0] > 0]]))
            for total, part in zip(self._totals, parts, strict=True)
        ]

    def facts(self, are_classes: Sequence[bool], is_weighted: bool) -> list[dict[str, Any]]:
        """The facts about the labels of each output, as JSON values.

        Args:
            are_classes: for each output, whether its labels are numbers of classes.
            is_weighted: whether samples have weights.
        """
        known = enumerate(zip(self._totals, are_classes, strict=True))
        return [
            {"output": index, "weighted": is_weighted, **_facts(total[0], kind)}
            for index, (total, kind) in known
            if total[0, 0]
        ]


def _pooled(groups: np.ndarray) -> np.ndarray:
    """One row of count, means and variances for all groups together."""
    count = groups[:, :1]
    means, variances = np.split(groups[:, 1:], 2, axis=1)
    total = count.sum(axis=0)
    share = count / np.maximum(total, 1)
    mean = (share * means).sum(axis=0)
    # The variance inside of the groups and the one between them.
    variance = (share * (variances + (means - mean) ** 2)).sum(axis=0)
    return np.concatenate([total, mean, variance])[None]


def _facts(total: np.ndarray, are_classes: bool) -> dict[str, Any]:
    count, (means, variances) = total[0], np.split(total[1:], 2)
    if are_classes:
        last = np.flatnonzero(means).max(initial=0)
        return {"count": int(count), "shares": means[: last + 1].tolist()}
    # NaN stands where an output has more units than its labels tell apart.
    known = np.isfinite(means)
    means, variances = means[known], variances[known]
    facts = {"count": int(count), "mean": float(means.mean()), "variance": float(variances.mean())}
    return facts | ({"means": means.tolist()} if len(means) > 1 else {})
