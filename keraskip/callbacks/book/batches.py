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


LARGEST = float(np.finfo("float32").max)


class LabelTotals:
    """Count, mean and variance of the labels of each output, over the steps of a training.

    Args:
        widths: number of units or classes of each output.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        self._ends = np.cumsum([1 + 2 * width for width in widths])
        self._totals = [np.zeros((1, 1 + 2 * width)) for width in widths]
        self._broken = [0] * len(self._totals)

    def add(self, batches: np.ndarray) -> None:
        """Adds the batches of some steps, as in `Rows`."""
        numbers = batches.reshape(-1, batches.shape[2])[:, len(OF_BATCH) :].astype(float)
        for index, part in enumerate(np.split(numbers, self._ends[:-1], axis=1)):
            part = part[part[:, 0] > 0]
            is_finite = _are_finite(part)
            self._broken[index] += int((~is_finite).sum())
            self._totals[index] = _pooled(np.concatenate([self._totals[index], part[is_finite]]))

    def facts(self, are_classes: Sequence[bool], is_weighted: bool) -> list[dict[str, Any]]:
        """The facts about the labels of each output, as JSON values.

        Args:
            are_classes: for each output, whether its labels are numbers of classes.
            is_weighted: whether samples have weights.

        Batches with labels that are not finite are counted as `nonfinite`, and left out of the
        other numbers.
        """
        known = enumerate(zip(self._totals, self._broken, are_classes, strict=True))
        return [
            {"output": index, "weighted": is_weighted, **_facts(total[0], kind), **_number(broken)}
            for index, (total, broken, kind) in known
            if total[0, 0] or broken
        ]


def joined_labels(
    before: Sequence[dict[str, Any]], since: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The facts about all labels of a training, from its two parts."""
    known = {row["output"]: row for row in before}
    joined = [_joined(known.get(row["output"]), row) for row in since]
    return joined or list(before)


def _joined(before: dict[str, Any] | None, since: dict[str, Any]) -> dict[str, Any]:
    """The facts about the labels of one output; of labels of another kind, only the later ones."""
    if before is None:
        return since
    rows = [row for row in (before, since) if row["count"]]
    are_classes = {"shares" in row for row in rows}
    means = [row.get("shares") or row.get("means") or [row["mean"]] for row in rows]
    # More classes may have come; other units are other labels.
    if len(are_classes) > 1 or (are_classes == {False} and len(set(map(len, means))) > 1):
        return since
    facts = {"output": since["output"], "weighted": before["weighted"] or since["weighted"]}
    broken = sum(row.get("nonfinite", 0) for row in (before, since))
    if not rows:
        return {**facts, "count": 0, **_number(broken)}
    width = max(map(len, means))
    groups = [
        # The mean of the variances follows from the means of the parts' variances.
        [row["count"], *mean, *[0.0] * (width - len(mean)), *[row.get("variance", 0.0)] * width]
        for row, mean in zip(rows, means, strict=True)
    ]
    total = _pooled(np.array(groups, float))[0]
    return {**facts, **_facts(total, are_classes.pop()), **_number(broken)}


def _number(broken: int) -> dict[str, int]:
    """The entry of the batches whose labels are not finite; none where there are none."""
    return {"nonfinite": broken} if broken else {}


def _are_finite(groups: np.ndarray) -> np.ndarray:
    """Whether the labels of each group are finite, given its count, means and variances.

    A variance below 0 stands where an output has more units than its labels tell apart.
    """
    means, variances = np.split(groups[:, 1:], 2, axis=1)
    return (np.isfinite(means) | (variances < 0)).all(axis=1)


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
    if not count:
        return {"count": 0}
    if are_classes:
        last = np.flatnonzero(means).max(initial=0)
        return {"count": int(count), "shares": means[: last + 1].tolist()}
    # NaN stands where an output has more units than its labels tell apart.
    known = np.isfinite(means)
    # The square of a finite label may be too large for float32.
    means, variances = means[known], np.minimum(variances[known], LARGEST)
    facts = {"count": int(count), "mean": float(means.mean()), "variance": float(variances.mean())}
    return facts | ({"means": means.tolist()} if len(means) > 1 else {})
