"""Gradients shatter in plain networks, less with skips."""

import numpy as np

from keraskip import build_plain, build_resnet
from measured.claim import Agrees, Chart, Claim, Numbers, Outcome
from measured.intervals import Interval, student
from measured.networks import looked_at
from measured.pictures import axis, lines
from measured.progress import shown
from measured.verdicts import above, together

BUILDERS = {"plain": build_plain, "residual": build_resnet}
FALL, LEAD = 0.2, 0.2


def measure(reduced: bool) -> Outcome:
    """Looks at new networks of several depths."""
    seeds, depths = (range(2), (8, 14)) if reduced else (range(6), (8, 14, 20, 32, 44, 56))
    found = [
        {"kind": kind, "depth": depth, "correlation": [_correlation(s, kind, depth) for s in seeds]}
        for kind, depth in shown([(k, d) for k in BUILDERS for d in depths], "(b) shattering")
    ]
    return read({"seeds": list(seeds), "found": found})


def _correlation(seed: int, kind: str, depth: int) -> float:
    rows = looked_at(seed, BUILDERS[kind], depth)
    return next(row["value"] for row in rows if row["probe"] == "shattering")


def read(numbers: Numbers) -> Outcome:
    """What follows from the numbers."""
    values = {(row["kind"], row["depth"]): np.array(row["correlation"]) for row in numbers["found"]}
    least, most = min(d for _, d in values), max(d for _, d in values)
    fall = student(values["plain", least] - values["plain", most])
    lead = student(values["residual", most] - values["plain", most])
    plain, residual = student(values["plain", most]), student(values["residual", most])
    here = (
        f"correlation of gradients at nearby inputs, {most} layers: plain {plain.text('.2f')}, "
        f"residual {residual.text('.2f')}"
    )
    n = f"{len(numbers['found']) * len(numbers['seeds'])} networks"
    return Outcome(here, rule(fall, lead), n, numbers["seeds"], numbers, _chart(numbers))


def rule(fall: Interval, lead: Interval) -> Agrees:
    """The rule in `expected`."""
    return together([above(fall, FALL), above(lead, LEAD)])


def _chart(numbers: Numbers) -> Chart:
    points = []
    for row in numbers["found"]:
        mean = student(row["correlation"])
        ends = {"low": mean.low, "high": mean.high}
        points.append({"series": row["kind"], "depth": row["depth"], "y": mean.value, **ends})
    return lines(
        points, axis("depth", "depth (layers)"),
        axis("y", "correlation of gradients at nearby inputs"), list(BUILDERS),
    )  # fmt: skip


CLAIM = Claim(
    letter="b",
    title="Gradients shatter in plain networks, less with skips",
    who="Balduzzi et al. 2017",
    source="Balduzzi et al., The shattered gradients problem: If resnets are the answer, then what "
    "is the question?, arXiv 1702.08591",
    says="The correlation between gradients at different inputs falls exponentially with depth in "
    "plain networks, until they look like white noise. With skip connections it falls sublinearly "
    "(abstract).",
    there="exponential fall in plain networks, sublinear with skips",
    expected="Expected: the correlation falls towards 0 with depth in plain networks and stays "
    "higher in residual ones. From the shallowest to the deepest plain network it falls by "
    "more than 0.2; at the greatest depth the residual network leads by more than 0.2. Both "
    "with the whole interval: `yes`. One: `in part`. Both on the other side: `no`; else "
    "`inconclusive`.",
    how='New networks of 8 to 56 layers get 64 digits. The correlation is `"shattering"` of the '
    "recorder's probe: of the gradients of the loss with respect to an image and to the same image "
    "moved by a hundredth of a standard deviation. Both kinds of network have batch normalisation. "
    "Interval: Student, over the seeds; differences are taken seed by seed.",
    beyond="Nearby inputs correlate more than the distant ones of the paper's theorems, so the "
    "laws themselves (exponential or not) are not tested, only direction and order. Nothing is "
    "said about training.",
    measure=measure,
    read=read,
)
