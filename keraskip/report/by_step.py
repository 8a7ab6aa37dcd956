"""Numbers of single steps as lines of few points, and the chart of the learning rate."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from keraskip.analysis.verdicts import Group
from keraskip.report.keys import with_groups
from keraskip.report.vega import Chart, channel, filtered, inline

# A line is drawn through as many means at the most.
MOST_POINTS = 150
# Numbers that differ by more are drawn on a logarithmic axis.
WIDE = 50


def means_by_step(steps: np.ndarray, values: np.ndarray, name: str) -> pd.DataFrame:
    """The means of stretches of steps.

    Args:
        steps: numbers of the steps [S].
        values: a number for each step [S].
        name: of the column of means; the other one is `step`.
    """
    parts = np.array_split(np.arange(len(steps)), min(MOST_POINTS, len(steps)))
    means = [(steps[part].mean(), values[part].mean()) for part in parts]
    return pd.DataFrame(means, columns=["step", name])


def scale_of(values: pd.Series, zero: bool = False) -> Chart:
    """A logarithmic scale for numbers of very different size, else one that may begin at zero."""
    low, high = values.min(), values.max()
    return {"type": "log"} if low > 0 and high > WIDE * low else {"zero": zero}


def rate_chart(groups: Sequence[Group], encodings: dict[str, Chart]) -> Chart | None:
    """The learning rate of each run by step; None where no run has recorded it."""
    parts = []
    for run in (run for group in groups for run in group.runs):
        rates = run.scalars.get("learning_rate", np.empty(0))
        is_known = np.isfinite(rates)
        if is_known.any():
            means = means_by_step(run.steps[is_known], rates[is_known].astype(float), "rate")
            parts.append(means.assign(run=run.name))
    if not parts:
        return None
    rows = with_groups(pd.concat(parts), groups)
    scale = scale_of(rows["rate"], zero=True)
    height = channel("rate:Q", title="learning rate", scale=scale, axis={"tickCount": 5})
    return {
        "data": inline(rows),
        "mark": "line",
        "transform": filtered(),
        "encoding": {
            "x": channel("step:Q", axis={"tickMinStep": 1}),
            "y": height,
            "detail": channel("run_key:N"),
            "tooltip": [channel("run:N"), channel("step:Q"), channel("rate:Q", format=".3g")],
            **encodings,
        },
    }
