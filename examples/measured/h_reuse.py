"""Claim (h): the deep layers of a DenseNet use the maps of early layers."""

from functools import partial
from typing import Any

import keras
import numpy as np

from keraskip import build_densenet
from measured.claim import Agrees, Chart, Claim, Numbers, Outcome, of_trainings
from measured.dense_maps import cut_off, early_over_late, heat_maps, input_over_others
from measured.intervals import Interval, student, student_of_factor
from measured.networks import digits
from measured.pictures import heat_map
from measured.progress import shown
from measured.training import BATCH, RATE, SHAPE, falling, fitted, steps_of_epoch

# The weight that early maps must get, as a share of the weight of late ones.
ENOUGH = 0.5
# Weight decay makes a weight without use shrink to exp(-3), a twentieth. In the paper it shrinks
# further: decay 1e-4, rate 0.1 (then less), momentum 0.9, 300 epochs of 50,000 images.
SHRINKS = 3.0
SAMPLES = 1294


def measure(reduced: bool) -> Outcome:
    """Trains a DenseNet with each seed, looks at its weights, and cuts some."""
    depth, growth, epochs, seeds = (13, 4, 1, 2) if reduced else (40, 12, 6, 3)
    # The rate is a tenth in the last third.
    decay = SHRINKS / (RATE * steps_of_epoch(SAMPLES) * epochs * (2 + 0.1) / 3)
    build = partial(build_densenet, depth, growth, input_shape=SHAPE)
    rows = []
    for seed in shown(range(seeds), "DenseNet"):
        model = fitted(build, seed, epochs, falling(epochs), weight_decay=decay)
        rows.append(look(model, growth))
    return read({"depth": depth, "growth": growth, "batch": BATCH, "epochs": epochs, "rows": rows})


def look(model: keras.Model, growth: int) -> dict[str, Any]:
    """The heat map of a network, and its error before and after early maps are cut off."""
    maps = heat_maps(model, growth)
    whole = error_of(model)
    cut_off(model, growth)
    return {
        "maps": maps,
        "early_over_late": early_over_late(maps),
        "input_over_others": [input_over_others(one) for one in maps[1:]],
        "error": whole,
        "error_cut": error_of(model),
    }


def error_of(model: keras.Model) -> float:
    """Test error in percent, with the batch's own means in batch normalisation.

    After a cut the stored means no longer fit, which would count against it.
    """
    test = digits().test
    outputs = keras.ops.convert_to_numpy(model(test.images, training=True))
    return float(100 * (outputs.argmax(axis=1) != test.labels).mean())


def rule(ratio: Interval, rise: Interval) -> Agrees:
    """Whether early maps get weight, and are missed.

    Args:
        ratio: the weight on early maps over the one on late maps.
        rise: by how much the error rises without the early maps, in points.
    """
    holds = (ratio.low > ENOUGH) + (rise.low > 0)
    if holds:
        return "yes" if holds == 2 else "in part"
    return "no" if ratio.high < ENOUGH or rise.high < 0 else "inconclusive"


def read(numbers: Numbers) -> Outcome:
    """How much weight early maps get, and how much they are missed."""
    rows = numbers["rows"]
    ratio = student_of_factor([row["early_over_late"] for row in rows])
    rise = student([row["error_cut"] - row["error"] for row in rows])
    least = student_of_factor([float(np.mean(row["input_over_others"])) for row in rows])
    here = (
        f"weight on early maps over the one on late maps: {ratio.text('.2f')}; test error rises by "
        f"{rise.text('.1f')} points without the early ones; weight on the output of a transition "
        f"over the one on other maps: {least.text('.2f')}"
    )
    return of_trainings(here, rule(ratio, rise), numbers, 1, len(rows), chart(rows))


def chart(rows: list[dict[str, Any]]) -> Chart:
    """The heat map of each block, as in the paper: sources from top to bottom."""
    cells = []
    for block, targets in enumerate(rows[0]["maps"], start=1):
        for target in range(len(targets)):
            heights = np.mean([row["maps"][block - 1][target] for row in rows], axis=0)
            place = {"block": f"block {block}", "layer": target + 1}
            for source, share in enumerate(heights / heights.max()):
                cells.append({**place, "source": source, "weight": float(share)})
    return heat_map(cells)


CLAIM = Claim(
    letter="h",
    title="Deep layers of a DenseNet use the maps of early layers",
    who="Huang et al. 2017",
    source="Densely connected convolutional networks, arXiv 1608.06993",
    says=(
        "Section 5 and Fig. 5: a heat map of the mean absolute weight with which each layer of a "
        "trained DenseNet (40 layers, growth rate 12, CIFAR-10) reads the maps of each earlier "
        "one. All layers spread their weights over many inputs, so deep layers use early features "
        "directly. Layers in the second and third block give the least weight to the output of the "
        "transition, and the classifier prefers the last maps."
    ),
    there="weights spread over many inputs (a heat map without numbers)",
    expected=(
        "At the start, all sources of a layer have the same weight by construction, so a heat map "
        "alone would agree without any training. Weight decay therefore makes a weight without use "
        "shrink to a twentieth of its size, and early maps are also cut off to see whether they "
        "are missed. Expected: late maps get more weight than early ones, but not twice as much, "
        "and the error rises by several points without the early ones. The rule: *yes* if early "
        f"maps get more than {ENOUGH} times the weight of late ones and the error rises without "
        "them, both with the whole interval; *in part* if one of the two holds; *no* if none holds "
        "and one interval lies on the other side; else *inconclusive*."
    ),
    how=(
        "`build_densenet(40, 12)`, trained on the digits of scikit-learn: SGD with rate 0.1, "
        "a tenth of it in the last third, momentum 0.9, batches of 64. In the last third of the "
        "layers of each block, the mean absolute weight on the first third of their sources is set "
        "against the one on their last third. The cut sets the former to 0; the error is the one "
        "on the test digits, with the means of the batch in batch normalisation. Student's "
        "intervals over seeds, of ratios of their logarithms."
    ),
    beyond=(
        "Reuse in a network trained for 300 epochs with little weight decay, as in the paper. "
        "Digits are easy: if the error does not rise without early maps, later layers may have "
        "copied them. A heat map is close to even before training, too, so the cut is the better "
        "evidence. Three seeds give wide intervals."
    ),
    changed=(
        "The words 'several points' of the expectation were written after one epoch had been tried "
        "with one seed. The rule was older."
    ),
    measure=measure,
    read=read,
)
