"""A small member of each family and variant, for tests that every network must pass."""

from functools import partial

import pytest

from keraskip import build_densenet, build_plain, build_resnet

SHORTCUTS = (
    "A", "B", "C", "constant_scaling", "exclusive_gating", "shortcut_only_gating", "dropout",
)  # fmt: skip
# Two stages: the first, and one that begins with a stride and a change of width.
STAGES = {"stage_blocks": (1, 1), "filters": (16, 32)}
BOTTLENECK = {"block": "bottleneck", **STAGES}
plain, resnet = partial(build_plain, **STAGES), partial(build_resnet, **STAGES)
# A block of two layers; the second one joins three maps.
DENSE = {"growth_rate": 4, "stage_blocks": (2, 1)}
BC = {**DENSE, "bottleneck": True, "compression": 0.5}

FAMILIES = {
    "plain": plain,
    "plain_preact": partial(plain, variant="preact"),
    "resnet": resnet,
    "resnet_v1.5": partial(build_resnet, variant="v1.5", **BOTTLENECK),
    "resnet_preact": partial(resnet, variant="preact"),
    "densenet_bc": partial(build_densenet, **BC),
    "densenet_efficient": partial(build_densenet, **BC, memory_efficient=True),
}
# Members with other changes of the graph.
VARIATIONS = {
    "bottleneck": partial(build_resnet, **BOTTLENECK),
    "preact_bottleneck": partial(build_resnet, variant="preact", **BOTTLENECK),
    "densenet_plain": partial(build_densenet, **DENSE),
    "stochastic_depth": partial(resnet, stochastic_depth_rate=0.5),
    "zero_init": partial(resnet, zero_init_residual=True),
    "group": partial(resnet, normalization="group"),
    "layer": partial(build_densenet, **DENSE, normalization="layer"),
    "no_normalization": partial(plain, normalization=None),
    "dropout": partial(build_densenet, **BC, dropout_rate=0.2),
    "keras_v1": partial(build_resnet, conventions="keras", **BOTTLENECK),
    "keras_v2": partial(build_resnet, variant="preact", conventions="keras", **BOTTLENECK),
    "efficient_plain": partial(build_densenet, **DENSE, memory_efficient=True),
    "imagenet": partial(build_resnet, stem="imagenet", stage_blocks=(1, 1), filters=(8, 16)),
    "imagenet_dense": partial(build_densenet, growth_rate=4, stem="imagenet", stage_blocks=(1, 1)),
} | {f"shortcut_{name}": partial(resnet, shortcut=name) for name in SHORTCUTS[1:]}
MEMBERS = FAMILIES | VARIATIONS


def quick(some, values):
    """Parameters of a test; all but some of the values stand in the slow tests."""
    return [
        pytest.param(value, marks=() if value in some else pytest.mark.slow) for value in values
    ]
