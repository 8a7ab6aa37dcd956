"""He's variance keeps the mean length; the sum of 1/width sets how much lengths vary."""

import keras
import numpy as np
from keras import ops

from measured.claim import Agrees, Chart, Claim, Numbers, Outcome
from measured.intervals import Interval, slope, student
from measured.pictures import axis, lines
from measured.progress import shown
from measured.verdicts import above, near, together

# Sums of 1/width from 0.05 to 0.4, each made in several ways, one with uneven widths.
WIDTHS = [[100] * 5, [40] * 2, [100] * 10, [20] * 2, [100] * 20, [50] * 10, [20] * 4,
          [10, 100] * 2, [100] * 30, [50] * 15, [20] * 6, [100] * 40, [50] * 20, [20] * 8,
          [10, 30] * 3]  # fmt: skip
SCALES = {"1 / fan-in": 1.0, "2 / fan-in (He)": 2.0, "3 / fan-in": 3.0}
DRAWS, WIDTH, DEPTH = 100, 100, 10


def measure(reduced: bool) -> Outcome:
    """Sends a random vector through many random networks of each architecture."""
    seeds = range(2) if reduced else range(10)
    times, widths = (2, WIDTHS[:3]) if reduced else (3, WIDTHS)
    spread, growth = [], []
    for seed in shown(seeds, "(d) lengths"):
        keras.utils.set_random_seed(seed)
        found = [np.concatenate([lengths(each, 2.0) for _ in range(times)]) for each in widths]
        spread.append([float(np.log(np.mean(m**2) / np.mean(m) ** 2)) for m in found])
        each = [lengths([WIDTH] * DEPTH, scale).mean() ** (1 / DEPTH) for scale in SCALES.values()]
        growth.append([float(value) for value in each])
    sums = [sum(1 / width for width in each) for each in widths]
    return read({"seeds": list(seeds), "sums": sums, "spread": spread, "growth": growth,
                 "draws": times * DRAWS})  # fmt: skip


def lengths(widths: list[int], scale: float) -> np.ndarray:
    """The mean square of the last activations of `DRAWS` random ReLU networks; 1 at the input.

    Args:
        widths: of the layers.
        scale: the variance of the weights is `scale / fan-in`.
    """
    x = ops.ones((DRAWS, widths[0]))
    for width in widths:
        # An initializer gives the same numbers each time, so each layer needs its own.
        start = keras.initializers.VarianceScaling(scale, "fan_in", "untruncated_normal")
        weights = ops.reshape(start((x.shape[1], DRAWS * width)), (x.shape[1], DRAWS, width))
        x = ops.relu(ops.einsum("dn,ndw->dw", x, weights))
    return ops.convert_to_numpy(ops.mean(x**2, axis=1)).astype(float)


def read(numbers: Numbers) -> Outcome:
    """What follows from the numbers."""
    rise = student([slope(numbers["sums"], row) for row in numbers["spread"]])
    lower, he, higher = (student(column) for column in zip(*numbers["growth"], strict=True))
    here = (
        f"factor of the mean squared length per layer {he.text('.3f')} with 2/fan-in "
        f"({lower.value:.2f} with 1, {higher.value:.2f} with 3); the logarithm of the spread rises "
        f"by {rise.text('.2f')} per unit of the sum of 1/width"
    )
    n = f"{len(numbers['sums'])} architectures, {numbers['draws']} networks of each for each seed"
    return Outcome(here, rule(he, rise), n, numbers["seeds"], numbers, _chart(numbers))


def rule(he: Interval, rise: Interval) -> Agrees:
    """The rule in `expected`."""
    return together([near(he, 0.98, 1.02), above(rise, 0.0)])


def _chart(numbers: Numbers) -> Chart:
    points = []
    for at, total in enumerate(numbers["sums"]):
        mean = student([row[at] for row in numbers["spread"]])
        ends = {"low": mean.low, "high": mean.high}
        points.append({"series": "measured", "sum": total, "spread": mean.value, **ends})
    x = axis("sum", "sum of 1 / width over the layers")
    chart = lines(points, x, axis("spread", "log of E[M²] / E[M]²"), ["measured"])
    return {**chart, "layer": chart["layer"][1:]}


CLAIM = Claim(
    letter="d",
    title="He's variance keeps the mean length of activations; their spread grows with the sum of "
    "1/width",
    who="Hanin & Rolnick 2018",
    source="Hanin and Rolnick, How to start training: The effect of initialization and "
    "architecture, arXiv 1803.01719",
    says="Two things can go wrong in a deep ReLU network before training. The mean length of the "
    "activations explodes or vanishes, unless the weights have variance 2/fan-in. And the variance "
    "of the length becomes exponentially large in the sum of the reciprocals of the widths "
    "(abstract).",
    there="factor 1 per layer with 2/fan-in; spread exponential in the sum of 1/width",
    expected="Expected: with 2/fan-in the mean squared length changes by a factor of 1 per layer, "
    "and the logarithm of E[M²]/E[M]² (M is the mean square of the last activations) rises "
    "with the sum of 1/width. For independent Gaussian weights a short calculation gives a rise of "
    "about 5. The interval of the factor lies within 0.98 to 1.02, and that of the rise above 0: "
    "`yes`. One of the two: `in part`. Both outside: `no`; else `inconclusive`.",
    how="A vector of ones goes through random ReLU layers with Keras's initializer for Gaussian "
    "weights, in 15 architectures of equal and of uneven widths; the same sum of 1/width is made "
    "by few narrow and by many wide layers. The factor is measured over 10 layers of 100 units. "
    "Interval: Student, over the seeds.",
    beyond="Only fully connected networks without biases are measured, not convolutions or "
    "residual networks. The rise stays below 5 for two reasons: lengths have heavy tails, so a "
    "sample of networks gives too small a spread where the sum is large; and a narrow layer of n "
    "units adds log(1 + 5/n), which is less than 5/n. That a large spread hinders training is not "
    "tested.",
    measure=measure,
    read=read,
)
