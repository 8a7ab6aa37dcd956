"""Removing a block hardly hurts a residual network; its gradient takes short paths."""

from math import comb
from typing import Any

import keras
import numpy as np

from keraskip import build_plain, build_resnet
from measured.claim import Agrees, Chart, Claim, Numbers, Outcome
from measured.intervals import Interval, student
from measured.lesions import gated, path_norm, removable, without
from measured.networks import digits, seeded, test_error, train
from measured.pictures import axis, lines
from measured.progress import shown
from measured.verdicts import above, below, together

HARDLY, RUINED, SHORT = 0.1, 0.5, 1 / 3
BUILDERS = {"plain": build_plain, "resnet": build_resnet}


def measure(reduced: bool) -> Outcome:
    """Trains each network with each seed, takes blocks out, and follows paths of each length."""
    seeds, epochs, samples = (range(2), 1, 1) if reduced else (range(5), 15, 20)
    shallow, deep = (8, 8) if reduced else (20, 56)
    jobs = [(kind, shallow, seed) for seed in seeds for kind in BUILDERS]
    jobs += [] if reduced else [("resnet", deep, seed) for seed in seeds[:3]]
    lesions, paths = [], []
    for kind, depth, seed in shown(jobs, "(e) lesions"):
        model = train(seeded(seed, BUILDERS[kind], depth), epochs)
        lesions.append(_lesions(model, kind, depth, seed))
        if kind == "resnet" and depth == deep:
            paths.append({"seed": seed, "magnitude": _magnitudes(model, samples, seed)})
    return read({"seeds": list(seeds), "lesions": lesions, "paths": paths})


def _lesions(model: keras.Model, kind: str, depth: int, seed: int) -> dict[str, Any]:
    """The error of a network, and the errors without each one of its blocks."""
    errors = {}
    for block in removable(model):
        with without(model, block):
            errors[block] = test_error(model)
    whole = test_error(model)
    return {"kind": kind, "depth": depth, "seed": seed, "error": whole, "without": errors}


def _magnitudes(model: keras.Model, samples: int, seed: int) -> list[float]:
    """For each length, the norm of the gradient on random paths times the number of paths."""
    part, copy = digits().test, gated(model)
    images, labels = part.images[:64], part.labels[:64]
    blocks = sum(isinstance(layer, keras.layers.Add) for layer in model.layers)
    random = np.random.default_rng(seed)
    magnitudes = []
    for length in range(blocks + 1):
        ways = [set(random.permutation(blocks)[:length]) for _ in range(samples)]
        norms = [path_norm(copy, way, images, labels) for way in ways]
        magnitudes.append(float(np.mean(norms)) * comb(blocks, length))
    return magnitudes


def read(numbers: Numbers) -> Outcome:
    """What follows from the numbers."""
    depth = min(row["depth"] for row in numbers["lesions"])
    harm, ruin = _added(numbers, "resnet", depth), _left(numbers, depth)
    length = student([_share(path["magnitude"]) for path in numbers["paths"]])
    blocks = len(numbers["paths"][0]["magnitude"]) - 1
    here = (
        f"one block removed: residual, {depth} layers, +{100 * harm.value:.1f} points of test "
        f"error [{100 * harm.low:.1f}, {100 * harm.high:.1f}]; plain, {depth} layers, error "
        f"{100 * ruin.value:.0f} % [{100 * ruin.low:.0f}, {100 * ruin.high:.0f}]; mean length of "
        f"the gradient's paths {length.text('.2f')} of the {blocks} blocks"
    )
    n = f"{len(numbers['lesions'])} trained networks"
    return Outcome(here, rule(harm, ruin, length), n, numbers["seeds"], numbers, _chart(numbers))


def rule(harm: Interval, ruin: Interval, length: Interval) -> Agrees:
    """The rule in `expected`."""
    return together([below(harm, HARDLY), above(ruin, RUINED), below(length, SHORT)])


def _added(numbers: Numbers, kind: str, depth: int) -> Interval:
    """The error that a removed block adds, mean over the blocks; interval over the seeds."""
    rows = [row for row in numbers["lesions"] if (row["kind"], row["depth"]) == (kind, depth)]
    return student([np.mean(list(row["without"].values())) - row["error"] for row in rows])


def _left(numbers: Numbers, depth: int) -> Interval:
    """The error of a plain network without a block."""
    rows = [row for row in numbers["lesions"] if row["kind"] == "plain" and row["depth"] == depth]
    return student([np.mean(list(row["without"].values())) for row in rows])


def _share(magnitudes: list[float]) -> float:
    """The mean length of a path, weighted by the gradient, as a share of the blocks."""
    lengths = np.arange(len(magnitudes))
    return float(np.average(lengths, weights=magnitudes) / lengths[-1])


def _chart(numbers: Numbers) -> Chart:
    names = [f"{row['kind']}, {row['depth']} layers" for row in numbers["lesions"]]
    places = [
        {"series": name, "place": (at + 1) / len(row["without"]), "error": error}
        for name, row in zip(names, numbers["lesions"], strict=True)
        for at, error in enumerate(row["without"].values())
    ]
    order = sorted(set(names), key=lambda name: (name.startswith("resnet"), name))
    means = _means(places, "place", "error")
    left = lines(
        means, axis("place", "place of the removed block (share of all)"),
        axis("error", "test error without it (share)", scale={"domain": [0, 1]}), order,
    )  # fmt: skip
    shares = [
        {"series": name, "length": length, "share": value / sum(values)}
        for name, values in _paths(numbers)
        for length, value in enumerate(values)
    ]
    right = lines(
        _means(shares, "length", "share"), axis("length", "length of the path (blocks)"),
        axis("share", "share of all paths, of all gradient"), ["number of paths", "gradient"],
    )  # fmt: skip
    return {"hconcat": [left, right], "resolve": {"scale": {"color": "independent",
                                                            "shape": "independent"}}}  # fmt: skip


def _paths(numbers: Numbers) -> list[tuple[str, list[float]]]:
    blocks = len(numbers["paths"][0]["magnitude"]) - 1
    counts = [float(comb(blocks, length)) for length in range(blocks + 1)]
    gradients = [("gradient", path["magnitude"]) for path in numbers["paths"]]
    return [("number of paths", counts), *gradients]


def _means(rows: list[dict[str, Any]], x: str, y: str) -> list[dict[str, Any]]:
    """The mean over the seeds of each point."""
    points: dict[tuple[str, float], list[float]] = {}
    for row in rows:
        points.setdefault((row["series"], row[x]), []).append(row[y])
    return [{"series": s, x: at, y: float(np.mean(all_))} for (s, at), all_ in points.items()]


CLAIM = Claim(
    letter="e",
    title="Removing a block hardly hurts a residual network and ruins a plain one; most of its "
    "gradient takes short paths",
    who="Veit et al. 2016",
    source="Veit, Wilber and Belongie, Residual networks behave like ensembles of relatively "
    "shallow networks, arXiv 1605.06431",
    says="A residual network of n blocks can be read as 2^n paths, each through some branches and "
    "around the others. Section 4.1 removes single blocks after the training: a plain network "
    "(VGG on CIFAR-10) falls to chance, a residual one with 110 layers hardly changes. The "
    "abstract says that most of the gradient in that network comes from paths that are only 10 to "
    "34 layers deep, although the mean path is far longer.",
    there="plain: chance level; residual: hardly a change; paths of 10 to 34 of 110 layers",
    expected="Expected: the same three. Removing one block that keeps the shape adds less than "
    "10 points of test error to a residual network, mean over its blocks; leaves a plain one "
    "with more than 50 % errors (chance is 90 %); the mean length of a path, weighted by its "
    "gradient, is less than a third of the blocks, where the mean over all paths is one half. All "
    "three with the whole interval: `yes`. All three on the other side: `no`. A mixture with at "
    "least one that holds: `in part`; else `inconclusive`.",
    how="`build_plain(20)`, `build_resnet(20)` (5 seeds each) and `build_resnet(56)` (3 seeds) are "
    "trained on the 8x8 digits for 15 epochs with momentum and a learning rate of 0.1. "
    "In a residual network the branch is "
    "set to zero; in a plain one the block gets the weights of the identity, which is exact behind "
    "a ReLU. For the paths, every addition of the 56 layers (27 blocks) lets the gradient back "
    "through either its shortcut or its branch; 20 random paths of each length are followed to 64 "
    "test images, and the mean norm is multiplied by the number of such paths, as in the paper. "
    "Intervals: Student, over the seeds.",
    beyond="Digits are easier than CIFAR-10, and the networks smaller than 110 layers. Blocks that "
    "change the shape are left out, because a plain network has no identity to put there. The "
    "norms of single paths are added, as in the paper; that gradients of different paths may "
    "cancel is not seen. Two of the three "
    "networks of 56 layers did not train well (test errors of 42 % and 60 %), so their paths say "
    "little about a trained network. The mean over the blocks hides that the first ones matter "
    "most: see the picture.",
    measure=measure,
    read=read,
)
