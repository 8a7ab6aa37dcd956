"""A small member of each family and variant, for tests that every network must pass."""

from functools import partial

from keraskip import build_densenet, build_plain, build_resnet

SHORTCUTS = (
    "A", "B", "C", "constant_scaling", "exclusive_gating", "shortcut_only_gating", "dropout",
)  # fmt: skip
BOTTLENECK = {"block": "bottleneck", "depth": 11}
BC = {"depth": 10, "growth_rate": 4, "bottleneck": True, "compression": 0.5}

# The smallest depths: one block in each stage.
FAMILIES = {
    "plain": partial(build_plain, 8),
    "plain_preact": partial(build_plain, 8, "preact"),
    "resnet": partial(build_resnet, 8),
    "resnet_v1.5": partial(build_resnet, variant="v1.5", **BOTTLENECK),
    "resnet_preact": partial(build_resnet, 8, "preact"),
    "densenet_bc": partial(build_densenet, **BC),
    "densenet_efficient": partial(build_densenet, **BC, memory_efficient=True),
}
# Members with other changes of the graph.
VARIATIONS = {
    "bottleneck": partial(build_resnet, **BOTTLENECK),
    "preact_bottleneck": partial(build_resnet, variant="preact", **BOTTLENECK),
    "densenet_plain": partial(build_densenet, 7, 4),
    "stochastic_depth": partial(build_resnet, 8, stochastic_depth_rate=0.5),
    "zero_init": partial(build_resnet, 8, zero_init_residual=True),
    "group": partial(build_resnet, 8, normalization="group"),
    "layer": partial(build_densenet, 7, 4, normalization="layer"),
    "no_normalization": partial(build_plain, 8, normalization=None),
    "dropout": partial(build_densenet, **BC, dropout_rate=0.2),
    "keras_v1": partial(build_resnet, conventions="keras", **BOTTLENECK),
    "keras_v2": partial(build_resnet, variant="preact", conventions="keras", **BOTTLENECK),
    "efficient_plain": partial(build_densenet, 7, 4, memory_efficient=True),
    "imagenet": partial(build_resnet, stem="imagenet", stage_blocks=(1, 1), filters=(8, 16)),
    "imagenet_dense": partial(build_densenet, growth_rate=4, stem="imagenet", stage_blocks=(1, 1)),
} | {f"shortcut_{name}": partial(build_resnet, 8, shortcut=name) for name in SHORTCUTS[1:]}
MEMBERS = FAMILIES | VARIATIONS
