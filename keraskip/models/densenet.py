"""DenseNets for small images: every layer sees the maps of all layers before it.

Source: Huang et al. 2017 (arXiv 1608.06993), section 3.
"""

import keras
from keras import layers

from keraskip.models.blocks import Activation, Initializer, Style, classify, convolve, preactivate
from keraskip.models.depths import DENSE, DENSE_BOTTLENECK

DENSE_BLOCKS = 3
# Section 3, "Bottleneck layers": the 1x1 convolution makes 4k maps.
BOTTLENECK_WIDTH = 4
# Section 3, "Implementation details": 16 maps enter the first block, in DenseNet-BC twice the
# growth rate.
STEM_FILTERS = 16


def build_densenet(
    depth: int,
    growth_rate: int = 12,
    *,
    bottleneck: bool = False,
    compression: float = 1.0,
    input_shape: tuple[int | None, int | None, int] = (32, 32, 3),
    classes: int = 10,
    activation: Activation = "relu",
    normalization: str | None = "batch",
    kernel_initializer: Initializer = "he_normal",
    classifier_activation: Activation = "softmax",
    name: str | None = None,
) -> keras.Model:
    """A DenseNet: skip connections by concatenation.

    `bottleneck=True, compression=0.5` is the paper's DenseNet-BC.

    Args:
        depth: number of weighted layers, 3n+4, with bottlenecks 6n+4.
        growth_rate: maps that each layer adds, k in the paper.
        bottleneck: put a 1x1 convolution of 4k maps before each 3x3 one (DenseNet-B).
        compression: share of the maps that a transition keeps, in (0, 1] (DenseNet-C).
        input_shape: height, width and channels of one image; height and width may be `None`.
        classes: number of classes.
        activation: any Keras activation. The paper uses `"relu"`.
        normalization: `"batch"` as in the paper, or `None`: then convolutions have a bias.
        kernel_initializer: any Keras initializer. The paper uses He initialisation.
        classifier_activation: activation of the last layer; `None` returns the logits.
        name: name of the model, by default `densenet<depth>_k<k>` or `densenet_bc<depth>_k<k>`.

    Returns:
        A functional `keras.Model`: images `[batch, height, width, channels]` to
        `[batch, classes]`.

    Raises:
        ValueError: for a depth that fits no rule, a growth rate below 1, a compression outside
            (0, 1] or an unknown normalisation.
        TypeError: for a depth that is not an integer.

    Example:

    >>> model = build_densenet(40, growth_rate=12)
    >>> sum(weight.shape.num_elements() for weight in model.trainable_weights)
    1019722
    """
    rule = DENSE_BOTTLENECK if bottleneck else DENSE
    layers_per_block = rule.blocks(depth)
    _check_rates(growth_rate, compression)
    style = Style(activation, normalization, kernel_initializer)
    compressed = bottleneck and compression < 1
    stem_filters = 2 * growth_rate if compressed else STEM_FILTERS

    inputs = keras.Input(input_shape, name="images")
    x = convolve(inputs, stem_filters, 3, style, "stem_conv")
    for block in range(1, DENSE_BLOCKS + 1):
        if block > 1:
            x = _transition(x, compression, style, f"transition{block - 1}")
        for layer in range(1, layers_per_block + 1):
            x = _dense_layer(x, growth_rate, bottleneck, style, f"block{block}_layer{layer}")
    x = preactivate(x, style, "head")
    outputs = classify(x, classes, classifier_activation, style)
    kind = "b" * bottleneck + "c" * (compression < 1)
    prefix = f"densenet_{kind}" if kind else "densenet"
    return keras.Model(inputs, outputs, name=name or f"{prefix}{depth}_k{growth_rate}")


def _check_rates(growth_rate: int, compression: float) -> None:
    if growth_rate < 1:
        raise ValueError(f"growth_rate must be at least 1. Received: growth_rate={growth_rate}")
    if not 0 < compression <= 1:
        raise ValueError(f"compression must lie in (0, 1]. Received: compression={compression}")


def _dense_layer(x, growth_rate: int, bottleneck: bool, style: Style, name: str):
    """Section 3, "Composite function": normalisation, activation, 3x3 convolution."""
    y = preactivate(x, style, name, "1")
    if bottleneck:
        y = convolve(y, BOTTLENECK_WIDTH * growth_rate, 1, style, f"{name}_conv1")
        y = preactivate(y, style, name, "2")
    y = convolve(y, growth_rate, 3, style, f"{name}_conv{1 + bottleneck}")
    return layers.Concatenate(name=f"{name}_concat")([x, y])


def _transition(x, compression: float, style: Style, name: str):
    """Section 3, "Pooling layers" and "Compression": fewer maps at half the size."""
    x = preactivate(x, style, name)
    x = convolve(x, int(compression * x.shape[-1]), 1, style, f"{name}_conv")
    return layers.AveragePooling2D(2, name=f"{name}_pool")(x)
