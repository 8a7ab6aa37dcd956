"""The record of a step: the names of its numbers, and rows of them. No framework in here."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

# One number for each weight and step.
STATISTICS = (
    "grad_norm",
    "grad_max",
    "grad_nonfinite",
    "weight_norm",
    "update_norm",
    "frozen",
)
# Recorded on demand; the histogram takes one column for each decade.
FURTHER = ("cosine", "snr", "zeros", "below_float16", "histogram")
# One number for each step: what its optimizer tells, and what its batch tells.
OF_UPDATE = ("loss_scale", "clip_factor", "learning_rate", "optimizer")
OF_BATCH = ("loss", "input_min", "input_max", "input_mean", "input_nonfinite")
SCALARS = OF_UPDATE + OF_BATCH
# The decades of absolute values that the histogram tells apart: 1e-16 to 1e2. The outermost ones
# also hold what lies beyond them. Exact zeros are in none.
DECADES = range(-16, 2)
DECADE_COLUMNS = tuple(f"decade_{decade}" for decade in DECADES)


def columns_of(statistics: Sequence[str]) -> tuple[str, ...]:
    """The columns of a record of these statistics."""
    plain = tuple(name for name in statistics if name != "histogram")
    return plain + DECADE_COLUMNS * ("histogram" in statistics)


class Rows(NamedTuple):
    """The records of S steps.

    Attributes:
        steps: their numbers [S].
        values: statistics of weights [S, weights, columns].
        scalars: what the optimizers tell, `OF_UPDATE` [S, scalars].
        batches: what the batches tell [S, replicas, numbers]: `OF_BATCH`, then for each kind of
            labels their count, means and variances.
    """

    steps: np.ndarray
    values: np.ndarray
    scalars: np.ndarray
    batches: np.ndarray
