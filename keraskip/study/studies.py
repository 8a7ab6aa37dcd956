"""The named studies; each is a short list of trials, to be copied and changed."""

import runpy
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

from keraskip.checks import check_distinct, check_integers
from keraskip.models.depths import BASIC, DENSE, DENSE_BOTTLENECK
from keraskip.study.recipes import HUANG_CIFAR, he_cifar
from keraskip.study.trial import Trial, with_seeds


def vanishing(depths: Sequence[int] = (20, 56)) -> list[Trial]:
    """The effect of skips where the gradient vanishes: the 2014 way, without normalisation.

    Plain, pre-activation residual and dense networks with tanh and Glorot initialisation (Glorot &
    Bengio 2010) at each depth, and the textbook case: sigmoid, at the smallest depth. Beside them a
    dense network from outside of the zoo, and the twin that `add_skips` makes of it, with a learned
    scalar in front of each branch. The growth rate is the one with which a DenseNet of 55 layers
    takes about as many multiplications as the others of 56. Three epochs show what differs.
    """
    glorot = {"normalization": None, "kernel_initializer": "glorot_uniform"}
    tanh, sigmoid = {"activation": "tanh", **glorot}, {"activation": "sigmoid", **glorot}
    preact = {"variant": "preact"}
    short = partial(Trial, epochs=3)
    trials = []
    for depth in depths:
        dense = DENSE.nearest(depth)
        trials += [
            short(f"plain{depth}", "plain", {"depth": depth, **preact, **tanh}),
            short(f"resnet{depth}", "resnet", {"depth": depth, **preact, **tanh}),
            short(f"densenet{dense}", "densenet", {"depth": dense, "growth_rate": 6, **tanh}),
        ]
    for network in "plain", "resnet":
        arguments = {"depth": depths[0], **preact, **sigmoid}
        trials.append(short(f"{network}{depths[0]}_sigmoid", network, arguments))
    dense_layers = {"depth": depths[0], **sigmoid}
    return [
        *trials,
        short(f"mlp{depths[0]}", "mlp", dense_layers),
        short(f"mlp{depths[0]}_skips", "mlp", dense_layers, skips={"scale": "learned"}),
    ]


def degradation(depths: Sequence[int] = (20, 32, 44, 56, 110)) -> list[Trial]:
    """Does more depth hurt, and do skips help: He et al. 2015, section 4.2 and Fig. 6."""
    return [
        Trial(f"{network}{depth}", network, {"depth": depth}, "cifar10", **he_cifar(depth))
        for depth in depths
        for network in ("plain", "resnet")
    ]


def shortcuts(depths: Sequence[int] = (110,)) -> list[Trial]:
    """Why the shortcut has to stay clean: the kinds of He et al. 2016, Table 1.

    `"C"` is a 1x1 convolution in every block.
    """
    kinds = (
        "A",
        "constant_scaling",
        "exclusive_gating",
        "shortcut_only_gating",
        "C",
        "dropout",
    )
    return [
        Trial(
            f"resnet{depth}_{kind}",
            "resnet",
            {"depth": depth, "shortcut": kind},
            "cifar10",
            **he_cifar(depth),
        )
        for depth in depths
        for kind in kinds
    ]


def dense(depths: Sequence[int] = (40,)) -> list[Trial]:
    """The effects of connectivity and growth rate: Huang et al. 2017, section 4.3 and Table 2.

    Dense networks of two growth rates and one with bottlenecks and compression, beside a residual
    and a plain network of nearly the same depth, all trained by the recipe of the paper.
    """
    bottleneck = {"bottleneck": True, "compression": 0.5}
    trials = []
    for depth in depths:
        narrow, other = DENSE_BOTTLENECK.nearest(depth), BASIC.nearest(depth)
        trials += [
            Trial(name, network, arguments, "cifar10", **HUANG_CIFAR)
            for name, network, arguments in (
                (f"densenet{depth}_k12", "densenet", {"depth": depth, "growth_rate": 12}),
                (f"densenet{depth}_k24", "densenet", {"depth": depth, "growth_rate": 24}),
                (f"densenet_bc{narrow}_k12", "densenet", {"depth": narrow, **bottleneck}),
                (f"resnet{other}", "resnet", {"depth": other}),
                (f"plain{other}", "plain", {"depth": other}),
            )
        ]
    return trials


def depth(depths: Sequence[int] = (20, 56, 110, 218)) -> list[Trial]:
    """How deep each family can go: signal and training error as the networks get deeper."""
    trials = []
    for size in depths:
        dense = DENSE.nearest(size)
        preact = {"depth": size, "variant": "preact"}
        trials += [
            Trial(name, network, arguments, "cifar10", **he_cifar(size))
            for name, network, arguments in (
                (f"plain{size}", "plain", {"depth": size}),
                (f"resnet{size}", "resnet", {"depth": size}),
                (f"preact_resnet{size}", "resnet", preact),
                (f"densenet{dense}", "densenet", {"depth": dense}),
            )
        ]
    return trials


STUDIES: dict[str, Callable[..., list[Trial]]] = {
    study.__name__: study for study in (vanishing, degradation, shortcuts, dense, depth)
}

# Seeds of a study when none are asked for. Other studies use the seeds of their trials.
SEEDS = {"vanishing": (0, 1)}


def named_study(
    name: str,
    *,
    depths: Sequence[int] | None = None,
    seeds: Sequence[int] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> list[Trial]:
    """The trials of a study.

    Args:
        name: one of `STUDIES`, or a Python file that defines `trials`: a list of trials, or a
            function of `depths` that returns one.
        depths: used instead of the study's own; DenseNets beside other networks take the nearest
            depth that they can have.
        seeds: the seeds to train each trial with; by default 0 and 1 for `"vanishing"`, for other
            studies each trial's own, which is 0.
        settings: further changes to every trial: attributes of `Trial`, or arguments of the
            networks' builders.

    Raises:
        TypeError: for depths that are no integers.
        ValueError: for an unknown study, a depth that a network cannot have, and values that a
            trial cannot have.
        OSError: for a file that cannot be read.

    Example:

    >>> [trial.name for trial in named_study("vanishing", depths=[8], seeds=[1])][:2]
    ['plain8', 'resnet8']
    """
    if depths is not None:
        depths = check_integers("depths", [*depths])
        check_distinct("depths", depths)
    make = _from_file(Path(name)) if name.endswith(".py") else _named(name)
    trials = _trials_of(name, make, depths)
    for key, value in (settings or {}).items():
        trials = [trial.changed(key, value) for trial in trials]
    for trial in trials:
        _check_depth(trial)
    seeds = SEEDS.get(name) if seeds is None else seeds
    return trials if seeds is None else with_seeds(trials, seeds)


def _named(name: str) -> Any:
    if name not in STUDIES:
        close = ", ".join(get_close_matches(name, STUDIES, n=2)) or "none"
        raise ValueError(
            f"study must be one of {tuple(STUDIES)} or a Python file. "
            f"Received: study={name!r} (nearest: {close})"
        )
    return STUDIES[name]


def _from_file(path: Path) -> Any:
    try:
        return runpy.run_path(str(path)).get("trials")
    except FileNotFoundError:
        raise
    except (Exception, SystemExit) as error:
        raise ValueError(f"{path} does not run: {type(error).__name__}: {error}") from error


def _trials_of(name: str, make: Any, depths: Sequence[int] | None) -> list[Trial]:
    """The trials, from a list or from a function of depths."""
    if not callable(make) and depths is not None:
        raise ValueError(f"depths needs a function of depths. Received: a list of trials in {name}")
    options = {} if depths is None else {"depths": sorted(depths)}
    try:
        trials = make(**options) if callable(make) else make
    except TypeError as error:
        raise ValueError(f"The trials of {name} cannot be made: {error}") from error
    listed = isinstance(trials, list) and all(isinstance(each, Trial) for each in trials)
    if not listed or not trials:
        raise ValueError(
            f"{name} must define `trials`: a list of keraskip.study.Trial, or a function of depths "
            f"that returns one. Received: {trials!r:.60}"
        )
    return trials


def _check_depth(trial: Trial) -> None:
    """Refuses a depth that the builder would refuse, before any training."""
    rule = {"plain": BASIC, "resnet": BASIC, "densenet": DENSE}.get(trial.network)
    usual = not trial.arguments.keys() & {"block", "stage_blocks", "stem", "bottleneck"}
    if rule and usual and "depth" in trial.arguments:
        rule.blocks(trial.arguments["depth"])
