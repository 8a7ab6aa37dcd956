"""The choices that builders give by name, for those who check them without loading Keras."""

STEMS = ("small", "imagenet")
POOLINGS = (None, "avg", "max")
VARIANTS = ("v1", "v1.5", "preact")
BLOCKS = ("basic", "bottleneck")
SHORTCUTS = (
    "A",
    "B",
    "C",
    "constant_scaling",
    "exclusive_gating",
    "shortcut_only_gating",
    "dropout",
)
NORMALIZATIONS = ("batch", "group", "layer", None)
CONVENTIONS = ("paper", "keras")
# Sizes of tensors are 32-bit integers in the backends.
MOST = 2**31 - 1
