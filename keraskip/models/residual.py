"""Plain and residual networks for small images: one builder, in which only the shortcut differs.

Sources: He et al. 2015 (arXiv 1512.03385), section 4.2, and He et al. 2016 (arXiv 1603.05027).
"""

import keras
from keras import layers

from keraskip.models.blocks import (
    Activation,
    Initializer,
    Style,
    activate,
    check_choice,
    classify,
    convolve,
    normalize,
    preactivate,
)
from keraskip.models.depths import BASIC

# He 2015, section 4.2: stages of 16, 32 and 64 filters; each stage but the first halves the map.
STAGE_FILTERS = (16, 32, 64)


def build_resnet(
    depth: int,
    variant: str = "v1",
    shortcut: str = "A",
    *,
    input_shape: tuple[int | None, int | None, int] = (32, 32, 3),
    classes: int = 10,
    activation: Activation = "relu",
    normalization: str | None = "batch",
    kernel_initializer: Initializer = "he_normal",
    classifier_activation: Activation = "softmax",
    name: str | None = None,
) -> keras.Model:
    """A residual network: skip connections by addition.

    Args:
        depth: number of weighted layers, 6n+2 (He 2015, section 4.2).
        variant: `"v1"`, activation after the addition (He 2015), or `"preact"`, normalisation and
            activation before each convolution, which keeps the identity path clean (He 2016).
        shortcut: what a skip does where the shape changes (He 2015, section 3.3). `"A"` takes
            every second pixel and appends zero channels, which adds no weights; `"B"` is a
            1x1 convolution, in v1 followed by normalisation.
        input_shape: height, width and channels of one image; height and width may be `None`.
        classes: number of classes.
        activation: any Keras activation. The papers use `"relu"`.
        normalization: `"batch"` as in the papers, or `None`: then convolutions have a bias.
        kernel_initializer: any Keras initializer. The papers use He initialisation.
        classifier_activation: activation of the last layer; `None` returns the logits.
        name: name of the model, by default `resnet<depth>` or `preact_resnet<depth>`.

    Returns:
        A functional `keras.Model`: images `[batch, height, width, channels]` to
        `[batch, classes]`.

    Raises:
        ValueError: for a depth that is not 6n+2 or an unknown variant, shortcut or normalisation.
        TypeError: for a depth that is not an integer.

    Example:

    >>> model = build_resnet(56, variant="preact", input_shape=(8, 8, 1))
    >>> model.output_shape
    (None, 10)
    """
    check_choice("shortcut", shortcut, tuple(SHORTCUTS))
    style = Style(activation, normalization, kernel_initializer)
    inputs, x = _features(depth, variant, shortcut, input_shape, style)
    outputs = classify(x, classes, classifier_activation, style)
    return keras.Model(inputs, outputs, name=name or f"{PREFIXES[variant]}resnet{depth}")


def build_plain(
    depth: int,
    variant: str = "v1",
    *,
    input_shape: tuple[int | None, int | None, int] = (32, 32, 3),
    classes: int = 10,
    activation: Activation = "relu",
    normalization: str | None = "batch",
    kernel_initializer: Initializer = "he_normal",
    classifier_activation: Activation = "softmax",
    name: str | None = None,
) -> keras.Model:
    """A network without skip connections: the ResNet of the same depth, its shortcuts removed.

    Its variables have the names, the shapes and the order of those of
    `build_resnet(depth, variant, shortcut="A")`, so weights can be copied from one to the other.

    Args:
        depth: number of weighted layers, 6n+2 (He 2015, section 4.2).
        variant: whose blocks, `"v1"` (He 2015) or `"preact"` (He 2016).
        input_shape: these and all further arguments mean what they mean in `build_resnet`.
        classes: see `build_resnet`.
        activation: see `build_resnet`.
        normalization: see `build_resnet`.
        kernel_initializer: see `build_resnet`.
        classifier_activation: see `build_resnet`.
        name: name of the model, by default `plain<depth>` or `preact_plain<depth>`.

    Returns:
        A functional `keras.Model`, as `build_resnet` does.

    Raises:
        ValueError: for a depth that is not 6n+2 or an unknown variant or normalisation.
        TypeError: for a depth that is not an integer.

    Example:

    >>> build_plain(20).count_params() == build_resnet(20).count_params()
    True
    """
    style = Style(activation, normalization, kernel_initializer)
    inputs, x = _features(depth, variant, None, input_shape, style)
    outputs = classify(x, classes, classifier_activation, style)
    return keras.Model(inputs, outputs, name=name or f"{PREFIXES[variant]}plain{depth}")


def _features(depth: int, variant: str, shortcut: str | None, input_shape: tuple, style: Style):
    """Everything below the classifier. Without a shortcut the network is plain."""
    check_choice("variant", variant, tuple(BLOCKS))
    blocks = BASIC.blocks(depth)
    inputs = keras.Input(input_shape, name="images")
    x = convolve(inputs, STAGE_FILTERS[0], 3, style, "stem_conv")
    x = preactivate(x, style, "stem")
    for stage, filters in enumerate(STAGE_FILTERS, start=1):
        for block in range(1, blocks + 1):
            strides = 2 if stage > 1 and block == 1 else 1
            x = BLOCKS[variant](x, filters, strides, shortcut, style, f"stage{stage}_block{block}")
    if variant == "preact":
        x = preactivate(x, style, "head")
    return inputs, x


def _block_v1(x, filters: int, strides: int, shortcut: str | None, style: Style, name: str):
    """He 2015, Fig. 2: the last activation comes after the addition."""
    y = convolve(x, filters, 3, style, f"{name}_conv1", strides)
    y = preactivate(y, style, name, "1")
    y = convolve(y, filters, 3, style, f"{name}_conv2")
    y = normalize(y, style, f"{name}_norm2")
    if shortcut:
        skip = _skip(x, filters, strides, shortcut, style, name)
        if skip is not x and shortcut == "B":
            skip = normalize(skip, style, f"{name}_shortcut_norm")
        y = layers.Add(name=f"{name}_add")([skip, y])
    return activate(y, style, f"{name}_act2")


def _block_preact(x, filters: int, strides: int, shortcut: str | None, style: Style, name: str):
    """He 2016, Fig. 4e: on the path of the identity stands nothing but the addition.

    The stem's activation serves the first block, which needs none of its own, and a projection
    starts from the activated input (He 2016, appendix).
    """
    y = x if name == "stage1_block1" else preactivate(x, style, name, "1")
    source = y if shortcut == "B" and _changes_shape(x, filters, strides) else x
    y = convolve(y, filters, 3, style, f"{name}_conv1", strides)
    y = preactivate(y, style, name, "2")
    y = convolve(y, filters, 3, style, f"{name}_conv2")
    if shortcut:
        skip = _skip(source, filters, strides, shortcut, style, name)
        y = layers.Add(name=f"{name}_add")([skip, y])
    return y


def _changes_shape(x, filters: int, strides: int) -> bool:
    return strides > 1 or x.shape[-1] != filters


def _skip(x, filters: int, strides: int, shortcut: str, style: Style, name: str):
    """The input itself, or the shortcut that brings it to the shape of the block's output."""
    if not _changes_shape(x, filters, strides):
        return x
    return SHORTCUTS[shortcut](x, filters, strides, style, f"{name}_shortcut")


def _pad(x, filters: int, strides: int, style: Style, name: str):
    """Shortcut A: every second pixel, then zero channels up to the number needed.

    Keras pads only the spatial axes, so the channels take the place of one for a moment.
    """
    missing = filters - x.shape[-1]
    x = layers.AveragePooling2D(1, strides=strides, name=f"{name}_subsample")(x)
    x = layers.Permute((3, 1, 2), name=f"{name}_to_front")(x)
    x = layers.ZeroPadding2D(((0, missing), (0, 0)), name=f"{name}_pad")(x)
    return layers.Permute((2, 3, 1), name=f"{name}_to_back")(x)


def _project(x, filters: int, strides: int, style: Style, name: str):
    """Shortcut B: a 1x1 convolution."""
    return convolve(x, filters, 1, style, f"{name}_conv", strides)


BLOCKS = {"v1": _block_v1, "preact": _block_preact}
PREFIXES = {"v1": "", "preact": "preact_"}
SHORTCUTS = {"A": _pad, "B": _project}
