"""Claim (i): the textbook example, 1e-15 x 1e-4 = 1e-19: nothing moves."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from measured.claim import Agrees, Chart, Claim, Numbers, Outcome
from measured.intervals import student
from measured.pictures import axis, lines, log_axis, stacked
from measured.progress import shown
from measured.standstill import NETWORKS, RATE, STEPS, WIDTH, first_steps

# The textbook's number.
GRADIENT = 1e-15
# Nothing moves where all elements but one in a thousand stay as they are.
STILL = 0.999
DEPTHS = (2, 4, 6, 8, 10, 12, 16, 20, 24, 32)
# Far below any gradient here: a logarithmic axis has no place for 0.
FLOOR = 1e-30


def measure(reduced: bool) -> Outcome:
    """Takes a few steps with each network at each depth, with each seed."""
    depths, seeds = ((2, 24), 2) if reduced else (DEPTHS, 5)
    rows = [
        {"network": name, "depth": depth, "seed": seed, **first_steps(build, depth, seed)}
        for seed in shown(range(seeds), "depths and activations")
        for name, build in NETWORKS.items()
        for depth in depths
    ]
    return read({"depths": list(depths), "seeds": seeds, "rows": rows})


def depth_of_stop(rows: Sequence[dict[str, Any]], network: str, seed: int) -> int | None:
    """The smallest depth at which nothing moves, or None."""
    still = [
        row["depth"]
        for row in rows
        if (row["network"], row["seed"]) == (network, seed) and row["frozen"] >= STILL
    ]
    return min(still, default=None)


def rule(rows: Sequence[dict[str, Any]]) -> Agrees:
    """Whether nothing moves wherever the gradient is as small as in the textbook."""
    small = [row["frozen"] for row in rows if row["gradient"] <= GRADIENT]
    if not small:
        return "inconclusive"
    still = sum(frozen >= STILL for frozen in small)
    return "yes" if still == len(small) else "in part" if still else "no"


def read(numbers: Numbers) -> Outcome:
    """From which depth on nothing moves, and the largest gradient at which it does not."""
    rows, seeds = numbers["rows"], numbers["seeds"]
    stops = [f"{name} {depths_text(rows, name, seeds)}" for name in NETWORKS]
    still = [row["gradient"] for row in rows if row["frozen"] >= STILL]
    largest = f"{max(still):.0e}" if still else "none"
    small = sum(row["gradient"] <= GRADIENT for row in rows)
    here = (
        f"the first kernel stands still from this number of hidden layers on: {', '.join(stops)}; "
        f"networks with a gradient of at most {GRADIENT:.0e}: {small}; the "
        f"largest gradient that moves nothing: {largest}"
    )
    return Outcome(
        here, rule(rows), f"{len(rows)} networks", list(range(seeds)), numbers, chart(numbers)
    )


def depths_text(rows: Sequence[dict[str, Any]], network: str, seeds: int) -> str:
    """The depth at which a network stops, with its interval over seeds."""
    found = [depth_of_stop(rows, network, seed) for seed in range(seeds)]
    stops = [depth for depth in found if depth is not None]
    deepest = max(row["depth"] for row in rows)
    if not stops:
        return f"none up to {deepest}"
    if len(stops) < seeds:
        return f"{min(stops)} or more ({seeds - len(stops)} of {seeds} seeds not up to {deepest})"
    return student(stops).text(".1f")


def chart(numbers: Numbers) -> Chart:
    """Gradient and frozen share of the first kernel over the depth."""
    points = []
    for name in NETWORKS:
        for depth in numbers["depths"]:
            here = [r for r in numbers["rows"] if (r["network"], r["depth"]) == (name, depth)]
            logs = np.log([max(row["gradient"], FLOOR) for row in here])
            frozen = 100 * float(np.mean([row["frozen"] for row in here]))
            height = float(np.exp(logs.mean()))
            points.append({"series": name, "depth": depth, "gradient": height, "frozen": frozen})
    x = axis("depth", "hidden layers")
    gradient = log_axis("gradient", "gradient of the first kernel", axis={"format": ".0e"})
    frozen_share = axis("frozen", "weights of the first kernel that stay (%)")
    return stacked(*(lines(points, x, y, list(NETWORKS)) for y in (gradient, frozen_share)))


CLAIM = Claim(
    letter="i",
    title="A gradient of 1e-15 times a rate of 1e-4 moves nothing",
    who="textbook example",
    source=(
        "the update rule w - rate x gradient in float32 (IEEE 754); the example is the usual one "
        "in lessons on skip connections"
    ),
    says=(
        "If a gradient of 1e-15 reaches the first layer and the learning rate is 1e-4, the update "
        "is 1e-19, and the weight does not change: deep networks stop learning in their "
        "early layers."
    ),
    there="an update of 1e-19, so no change",
    expected=(
        "A number in float32 has 24 binary digits, so a weight of 0.1 ignores any update below "
        "about 4e-9. At a rate of 1e-4 this is a gradient of 4e-5, ten orders of magnitude above "
        "the example. So it holds, and a network with sigmoid stands still with far fewer layers "
        "than the example needs. The rule: *yes* if in each network whose first kernel has a "
        f"gradient of at most {GRADIENT:.0e} at least {STILL:.1%} of its elements stay as they "
        "are; *in part* if in some, *no* if in none, *inconclusive* if there is no such network."
    ),
    how=(
        f"Networks of 2 to 32 dense layers of {WIDTH} units on the digits of scikit-learn: with "
        "sigmoid and tanh (Glorot's initialisation), ReLU (He's), and with sigmoid and the skips "
        f"of `add_skips`. SGD with rate {RATE:.0e} takes {STEPS} steps, and `GradientRecorder` "
        "tells the gradient of the first kernel (root mean square) and its frozen share: the "
        "elements for which w + dw equals w. Student's interval over seeds for the number of "
        "layers, on the grid of the picture."
    ),
    beyond=(
        "Biases: they begin at 0, and 0 + 1e-19 is another number than 0, so they move even then. "
        "Optimizers such as Adam divide by the size of the gradient and move a weight at gradients "
        "at which SGD does not. And a weight that moves need not learn."
    ),
    measure=measure,
    read=read,
)
