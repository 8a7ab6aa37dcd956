"""Claim (g): a skip with anything but the identity on it trains worse."""

from functools import partial
from typing import Any

import numpy as np
from scipy import stats

from keraskip import build_resnet
from measured.claim import Agrees, Chart, Claim, Numbers, Outcome, of_trainings
from measured.intervals import Interval, student
from measured.pictures import BLUE, ORANGE, errors_by_name, percents
from measured.progress import shown
from measured.training import SHAPE, falling, train

# He 2016, Table 1: test error in percent of ResNet-110 on CIFAR-10, with the best setting of each.
# "Fail" stands for an error above 20 %.
FAIL = 20.0
THERE = {
    "A": 6.61,
    "shortcut_only_gating": 6.91,
    "exclusive_gating": 8.70,
    "C": 12.22,
    "constant_scaling": 12.35,
    "dropout": FAIL,
}
NAMES = {
    "A": "identity",
    "shortcut_only_gating": "gate on the skip only",
    "exclusive_gating": "gate on skip and branch",
    "C": "1x1 convolution",
    "constant_scaling": "both halved",
    "dropout": "dropout",
}
DRAWS = 2000


def measure(reduced: bool) -> Outcome:
    """Trains a network with each of the six skips, with each seed."""
    depth, epochs, seeds = (8, 1, 2) if reduced else (20, 6, 5)
    rows: dict[str, list[dict[str, float]]] = {kind: [] for kind in THERE}
    for seed in shown(range(seeds), "six kinds of skips"):
        for kind in THERE:
            build = partial(build_resnet, depth, shortcut=kind, input_shape=SHAPE)
            trained = train(build, seed, epochs, falling(epochs))
            rows[kind].append({"error": trained.test_error, "train_loss": trained.train_loss})
    return read({"depth": depth, "epochs": epochs, "rows": rows})


def excess(rows: dict[str, list[dict[str, float]]], kind: str) -> Interval:
    """By how many points the error is above the one with the identity, seed by seed.

    The intervals of all skips but the identity hold together.
    """
    pairs = zip(rows[kind], rows["A"], strict=True)
    differences = [one["error"] - identity["error"] for one, identity in pairs]
    return student(differences, together=len(THERE) - 1)


def same_order(rows: dict[str, list[dict[str, float]]]) -> Interval:
    """Kendall's rank correlation of the six mean errors with the paper's; bootstrap over seeds."""
    errors = np.array([[row["error"] for row in rows[kind]] for kind in THERE])
    there = list(THERE.values())
    generator = np.random.default_rng(0)
    seeds = generator.integers(errors.shape[1], size=(DRAWS, errors.shape[1]))
    drawn = [correlation(errors[:, picked].mean(axis=1), there) for picked in seeds]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Interval(correlation(errors.mean(axis=1), there), float(low), float(high))


def correlation(here: Any, there: Any) -> float:
    """Kendall's rank correlation; 0 if all numbers are the same."""
    return float(np.nan_to_num(stats.kendalltau(here, there).statistic))


def rule(excesses: dict[str, Interval], order: Interval) -> Agrees:
    """Whether all others are worse than the identity, in the order of the paper."""
    worse = sum(one.low > 0 for one in excesses.values())
    if worse == len(excesses) and order.low > 0:
        return "yes"
    if worse:
        return "in part"
    return "no" if any(one.high < 0 for one in excesses.values()) else "inconclusive"


def read(numbers: Numbers) -> Outcome:
    """How much worse each is, and whether the order is the same."""
    rows = numbers["rows"]
    excesses = {kind: excess(rows, kind) for kind in THERE if kind != "A"}
    order = same_order(rows)
    identity = student([row["error"] for row in rows["A"]])
    listed = ", ".join(f"{NAMES[kind]} {one.text('+.1f')}" for kind, one in excesses.items())
    here = (
        f"test error with the identity {identity.text('.1f')} %; above it, in points: {listed}; "
        f"rank correlation with the paper's order {order.text('.2f')}"
    )
    verdict = rule(excesses, order)
    return of_trainings(here, verdict, numbers, len(rows), len(rows["A"]), chart(rows))


def chart(rows: dict[str, list[dict[str, float]]]) -> Chart:
    """The test error with each of the six, in the order of the paper."""
    errors = {NAMES[kind]: student([row["error"] for row in rows[kind]]) for kind in THERE}
    colours = [BLUE if kind == "A" else ORANGE for kind in THERE]
    place = percents("value", "test error (%), from best to worst in the paper")
    return errors_by_name(errors, place, colours)


CLAIM = Claim(
    letter="g",
    title="Anything but the identity on a skip connection hurts",
    who="He et al. 2016",
    source="Identity mappings in deep residual networks, arXiv 1603.05027",
    says=(
        "Section 3 and Table 1 compare six skips in a ResNet-110 on CIFAR-10: the identity, "
        "both paths halved, a gate on both paths (as in Highway networks), a gate on the skip "
        "alone, a 1x1 convolution, and dropout with rate 0.5. The identity is best; the authors "
        "ascribe the rest to worse optimisation, as their training errors are higher, too."
    ),
    there=(
        "test error in %: identity 6.61, gate on the skip only 6.91 (12.86 if it starts half "
        "open), gate on both 8.70, 1x1 convolution 12.22, both halved 12.35, dropout above 20"
    ),
    expected=(
        "Dropout and halving are worse than the identity; the gates, which begin nearly closed, "
        "and the 1x1 convolution differ little at 20 layers (the paper itself recalls that such "
        "convolutions did well in a network of 34 layers). So: *in part*. The rule: *yes* if the "
        "interval of the difference to the identity lies above 0 for all five and the rank "
        "correlation with the paper's order is above 0 with its whole interval; *in part* if the "
        "difference lies above 0 for at least one; *no* if for none and one lies below 0; else "
        "*inconclusive*."
    ),
    how=(
        "`build_resnet(20, shortcut=...)` with each of the six, trained from the same seeds on the "
        "digits of scikit-learn: SGD with rate 0.1, a tenth of it in the last third, momentum 0.9, "
        "batches of 64. The error is the one on the 359 test digits after the last epoch. "
        "The five differences to the identity are taken seed by seed; their Student's intervals "
        "hold together with 95 % (Bonferroni: each alone with 99 %). Bootstrap over seeds for the "
        "rank correlation (Kendall)."
    ),
    changed=(
        "The first intervals of the differences held with 95 % each alone, which is too narrow "
        "for five at once. The trainings, the rule and the verdict are the same as then."
    ),
    beyond=(
        "The harm at 110 layers, where the paper measured: a factor on each skip multiplies over "
        "all blocks, so it grows with depth. A difference of one test digit is 0.3 points."
    ),
    measure=measure,
    read=read,
)
