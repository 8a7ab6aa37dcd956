"""The charts of a report, with their captions: the same ones for the screen and for paper."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from keraskip.analysis.verdicts import Group
from keraskip.report.by_step import rate_chart
from keraskip.report.chart_kinds import (
    by_epoch,
    last_probes,
    logarithmic,
    metric_of,
    over_depth,
    over_time,
    probes,
    share,
)
from keraskip.report.compared import signal_of
from keraskip.report.heat_map import heat_map
from keraskip.report.looks import group_encodings
from keraskip.report.vega import Chart
from keraskip.runs import Run


class Caption(NamedTuple):
    """The title of a chart, and a text for readers who do not see the chart."""

    title: str
    text: str


# By the name of the chart, in the order of the page.
CAPTIONS = {
    "first": Caption(
        "The gradient on its way to the first layer",
        "Line chart: RMS gradient of each layer against its depth, one line for each run with its "
        "name beside the first layer, at the chosen steps. The cards beside it say what it means.",
    ),
    "ways": Caption(
        "The gradient on its way to the first layers",
        "Line chart: RMS gradient of each layer against its depth, one line for each way through "
        "the network, with the name of its first layer beside it, at the chosen steps. The cards "
        "beside it say what it means.",
    ),
    "loss": Caption(
        "Loss by step",
        "Line chart: loss of each run by step, with the loss of a constant guess as a dashed line, "
        "and a mark where the first finding begins. The cards have the loss at start and end.",
    ),
    "backward": Caption(
        "Backward signal: gradient of the biases",
        "Line chart: RMS gradient of the biases of each layer against its depth, one line for each "
        "run, at the chosen steps. Slopes and intervals are in the table of verdicts.",
    ),
    "kernel": Caption(
        "Gradient of the kernels",
        "Line chart: RMS gradient of the kernel of each layer against its depth, one line for each "
        "run, at the chosen steps.",
    ),
    "learning": Caption(
        "Training",
        "Line chart: accuracy or loss on the training samples by epoch, one line for each run. The "
        "table of verdicts has the accuracy of the last epoch.",
    ),
    "held_out": Caption(
        "Held-out samples",
        "Line chart: accuracy or loss on the held-out samples by epoch, one line for each run. The "
        "table of verdicts has the accuracy of the last epoch.",
    ),
    "rate": Caption("Learning rate", "Line chart: learning rate of each run by step."),
    "frozen": Caption(
        "Frozen share of each kernel",
        "Line chart: share of the elements of each kernel that the update left as they were, "
        "against depth. The table of verdicts has the share of the first kernel.",
    ),
    "ratio": Caption(
        "Update / weight",
        "Line chart: norm of the update over norm of the weight of each kernel, against depth. The "
        "table of verdicts has the median.",
    ),
    "scale_free": Caption(
        "Scale-free gradient of the kernels",
        "Line chart: norm of the gradient times norm of the weight of each kernel of the networks "
        "with normalisation, against depth.",
    ),
    "heat": Caption(
        "Signal by layer and step",
        "Heat map for each run: RMS gradient by layer and steps. A layer that the first finding "
        "blames is named on its row, if it is on the map; of many layers, some are named.",
    ),
    "probes": Caption(
        "Probes after the last epoch",
        "Line charts: the values of each probe by layer after the last epoch, against depth.",
    ),
    "time": Caption(
        "Recurrent layers: gradient of the input at each time step",
        "Line charts for each recurrent layer: norm of the gradient of the loss with respect to "
        "the layer's input at each time step, after the last epoch.",
    ),
}
# What lies below the first screen, in parts that open: their charts.
SECTIONS = {
    "Learning": ("loss", "learning", "held_out", "rate"),
    "Signal": ("backward", "kernel", "scale_free", "heat"),
    "Updates": ("frozen", "ratio"),
    "Probes": ("probes", "time"),
}


def charts(
    groups: Sequence[Group],
    legend: bool = False,
    blamed: Mapping[str, Mapping[str, str]] | None = None,
) -> dict[str, Chart]:
    """The charts by name, without the parameters and without the profiles that they draw.

    Args:
        groups: the groups to compare.
        legend: whether the charts name the group of each line.
        blamed: for each run the layers that are named on its map, and why.
    """
    runs = [run for group in groups for run in group.runs]
    encodings = group_encodings(groups, legend)
    drawings = _lines(runs, encodings)
    drawings["learning"] = by_epoch(groups, metric_of(groups) or "loss", encodings)
    held_out, rate = metric_of(groups, "val_"), rate_chart(groups, encodings)
    drawings |= {"held_out": by_epoch(groups, held_out, encodings)} if held_out else {}
    drawings |= {"rate": rate} if rate else {}
    drawings["heat"] = heat_map(groups, signal_of(groups), blamed)
    rows = last_probes(groups)
    for name, drawing, part in (
        ("probes", probes, rows[rows["time"].isna()]),
        ("time", over_time, rows[rows["time"].notna()]),
    ):
        if len(part):
            drawings[name] = drawing(part, encodings)
    return drawings


def _lines(runs: Sequence[Run], encodings: dict[str, Chart]) -> dict[str, Chart]:
    """The lines over depth by name; the scale-free gradient only of runs with normalisation."""
    rms = logarithmic("rms", "RMS gradient")
    frozen = share("frozen", "share of elements")
    ratio = logarithmic("update_ratio", "||update|| / ||weight||")
    # A logarithm has no zero.
    changes = "datum.update_ratio > 0"
    lines = {
        "backward": over_depth("backward", y=rms, **encodings),
        "kernel": over_depth("kernel", y=rms, **encodings),
        "frozen": over_depth("kernel", y=frozen, **encodings),
        "ratio": over_depth("kernel", changes, y=ratio, **encodings),
    }
    normalised = [
        key for key, run in enumerate(runs) if run.weights["role"].isin(["beta", "gamma"]).any()
    ]
    if normalised:
        height = logarithmic("scale_free", "||gradient|| ||weight||")
        chart = over_depth("kernel", y=height, **encodings)
        chart["transform"].append({"filter": {"field": "run_key", "oneOf": normalised}})
        lines["scale_free"] = chart
    return lines
