"""DenseNets: every layer sees the maps of all layers before it.

Source: Huang et al. 2017 (arXiv 1608.06993).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from keraskip.checks import check_flag, check_integer, check_rate
from keraskip.models import pretrained
from keraskip.models.blocks import (
    BATCH_NORM,
    Activation,
    Initializer,
    Style,
    channel_axis,
    channels,
    convolve,
    preactivate,
)
from keraskip.models.depths import DENSENET, IMAGENET_DENSE_BOTTLENECK, choose_blocks
from keraskip.models.frame import Frame, uncollected
from keraskip.models.recompute import ChannelMoments, RecomputedConvolutions

# Section 3, "Bottleneck layers": the 1x1 convolution makes 4k maps.
BOTTLENECK_WIDTH = 4
# Section 3, "Implementation details": 16 maps enter the first block, in DenseNet-BC and on
# ImageNet twice the growth rate.
STEM_FILTERS = 16
# Table 2 (CIFAR) and Table 1 (ImageNet).
GROWTH_RATE = {"small": 12, "imagenet": 32}
# DenseNet-161 is wider.
WIDE_DEPTH, WIDE_GROWTH_RATE = 161, 48
IMAGENET_COMPRESSION = 0.5


@dataclass(frozen=True)
class DenseNet:
    """Everything that stands between stem and head."""

    depth: int
    layers_per_block: tuple[int, ...]
    growth_rate: int
    bottleneck: bool
    compression: float
    dropout_rate: float
    memory_efficient: bool
    style: Style

    @property
    def kind(self) -> str:
        """The paper's letters: B for bottlenecks, C for compression."""
        return "b" * self.bottleneck + "c" * (self.compression < 1)


def build_densenet(
    depth: int | None = None,
    growth_rate: int | None = None,
    *,
    bottleneck: bool | None = None,
    compression: float | None = None,
    dropout_rate: float = 0.0,
    memory_efficient: bool = False,
    stem: str = "small",
    stage_blocks: Sequence[int] | None = None,
    input_shape: tuple[int | None, int | None, int] | None = None,
    classes: int | None = None,
    include_top: bool = True,
    pooling: str | None = None,
    classifier_activation: Activation = "softmax",
    weights: pretrained.Weights = None,
    input_tensor: keras.KerasTensor | None = None,
    activation: Activation = "relu",
    normalization: str | None = "batch",
    kernel_initializer: Initializer = None,
    conventions: str = "paper",
    name: str | None = None,
) -> keras.Model:
    """A DenseNet: skip connections by concatenation.

    `bottleneck=True, compression=0.5` is the paper's DenseNet-BC. Wherever `None` is the default,
    it stands for what the paper has for such a network.

    Args:
        depth: number of weighted layers. With the small stem 3n+4, with bottlenecks 6n+4; with
            the ImageNet stem 121, 161, 169, 201 or 264 (Table 1). `None` with `stage_blocks`.
        growth_rate: maps that each layer adds, k in the paper. By default 12, with the ImageNet
            stem 32, at depth 161 48.
        bottleneck: put a 1x1 convolution of 4k maps before each 3x3 one (DenseNet-B). By default
            only with the ImageNet stem.
        compression: share of the maps that a transition keeps, in (0, 1] (DenseNet-C). By
            default 1, with the ImageNet stem 0.5.
        dropout_rate: share of values that training drops after each convolution but the first
            (section 4.2: 0.2 without data augmentation).
        memory_efficient: recompute in the backward pass what each layer concatenates and
            normalises (Pleiss et al. 2017, arXiv 1707.06990): training takes less than half of the
            memory and about the same time. Weights are those of the ordinary network in the same
            order: `ordinary.set_weights(efficient.get_weights())`. A process that loads such a
            model must `import keraskip.models.recompute` before.
        stem: `"small"`, a 3x3 convolution, or `"imagenet"`, 7x7 with stride 2 and max pooling.
        stage_blocks: number of layers of each dense block, for a network of one's own.
        input_shape: height, width and channels of one image, in the order of
            `keras.config.image_data_format()`; height and width may be `None`. By default
            `(32, 32, 3)`, for ImageNet `(224, 224, 3)`.
        classes: number of classes, by default 10, for ImageNet 1000.
        include_top: whether to end with global average pooling and the classifier.
        pooling: with `include_top=False`, `"avg"` or `"max"` pools the last maps to
            `[batch, channels]`; `None` leaves them as they are.
        classifier_activation: activation of the last layer; `None` returns the logits.
        weights: `None` for random ones; the path of a `.keras` or `.weights.h5` file; or
            `"imagenet"`, which Keras downloads, for the networks that `keras.applications` has
            (depth 121, 169 or 201, `stem="imagenet"`, `conventions="keras"`).
        input_tensor: symbolic tensor to use as images, for instance the output of augmentation
            layers.
        activation: any Keras activation that keeps the shape. The paper uses `"relu"`.
        normalization: `"batch"` as in the paper; `"group"` or `"layer"` (Wu & He 2018, arXiv
            1803.08494), which do not depend on the batch; or `None`: then convolutions have a
            bias.
        kernel_initializer: any Keras initializer, by default that of the conventions.
        conventions: `"paper"`, with He initialisation, or `"keras"` for the normalisation
            constants and the initialisation of `keras.applications`.
        name: name of the model, by default such as `densenet40_k12` or `densenet_bc100_k12`.

    Returns:
        A functional `keras.Model`: images `[batch, height, width, channels]` to
        `[batch, classes]`.

    Raises:
        ValueError: for arguments outside what is said above, or that contradict each other.
        TypeError: for arguments of another type.

    Example:

    >>> model = build_densenet(40, growth_rate=12)
    >>> sum(weight.shape.num_elements() for weight in model.trainable_weights)
    1019722
    """
    frame = Frame(
        stem, input_shape, input_tensor, include_top, pooling, classes, classifier_activation, name
    )
    style = Style(activation, normalization, kernel_initializer, conventions)
    net = _plan(
        stem, depth, growth_rate, bottleneck, compression, dropout_rate, memory_efficient,
        stage_blocks, style,
    )  # fmt: skip
    return _build(net, frame, weights)


def _plan(
    stem: str, depth: Any, growth_rate: Any, bottleneck: Any, compression: Any,
    dropout_rate: Any, memory_efficient: Any, stage_blocks: Any, style: Style,
) -> DenseNet:  # fmt: skip
    """The network that the arguments of the builder describe."""
    imagenet = stem == "imagenet"
    if bottleneck is None:
        bottleneck = imagenet
    check_flag("bottleneck", bottleneck)
    if growth_rate is None:
        wide = imagenet and depth == WIDE_DEPTH
        growth_rate = WIDE_GROWTH_RATE if wide else GROWTH_RATE[stem]
    if compression is None:
        compression = IMAGENET_COMPRESSION if imagenet else 1.0
    rule = DENSENET[stem, bottleneck]
    counts, depth = choose_blocks(depth, stage_blocks, rule, 1 + bottleneck, transition_depth=1)
    growth_rate = check_integer("growth_rate", growth_rate, minimum=1)
    compression = check_rate("compression", compression, zero=False)
    dropout_rate = check_rate("dropout_rate", dropout_rate)
    _check_memory_efficient(memory_efficient, style)
    net = DenseNet(
        depth, counts, growth_rate, bottleneck, compression, dropout_rate, memory_efficient, style
    )
    _check_transitions(net, _stem_filters(net, stem))
    return net


def _check_memory_efficient(memory_efficient: Any, style: Style) -> None:
    check_flag("memory_efficient", memory_efficient)
    if memory_efficient and style.normalization != "batch":
        raise ValueError(
            "memory_efficient=True is for batch normalisation. "
            f"Received: normalization={style.normalization!r} (nearest: 'batch')"
        )


def _stem_filters(net: DenseNet, stem: str) -> int:
    return 2 * net.growth_rate if stem == "imagenet" or net.kind == "bc" else STEM_FILTERS


def _check_transitions(net: DenseNet, maps: int) -> None:
    """Refuse a compression that leaves no map."""
    for count in net.layers_per_block[:-1]:
        entering = maps + count * net.growth_rate
        maps = int(net.compression * entering)
        if not maps:
            raise ValueError(
                f"compression must leave at least one of {entering} maps. "
                f"Received: compression={net.compression} "
                f"(nearest: {math.ceil(1000 / entering) / 1000})"
            )


@uncollected()
def _build(net: DenseNet, frame: Frame, weights: pretrained.Weights) -> keras.Model:
    """The model, with its weights."""
    # Pooling between the blocks rounds down.
    frame.check_size(smallest_map=2 ** (len(net.layers_per_block) - 1))
    application = _application(net, frame)
    pretrained.check(weights, frame, application)
    inputs = frame.inputs()
    filters = _stem_filters(net, frame.stem)
    x = frame.begin(inputs, filters, net.style, activated=frame.stem == "imagenet")
    for block, count in enumerate(net.layers_per_block, start=1):
        if block > 1:
            x = _transition(x, net, f"transition{block - 1}")
        x = _dense_block(x, count, net, f"block{block}")
    x = preactivate(x, net.style, "head")
    prefix = f"densenet_{net.kind}" if net.kind and frame.stem == "small" else "densenet"
    suffix = f"_k{net.growth_rate}" if frame.stem == "small" else ""
    model = frame.finish(inputs, x, net.style, f"{prefix}{net.depth}{suffix}")
    return pretrained.load(model, weights, frame, application)


def _dense_block(x, count: int, net: DenseNet, name: str):
    """Section 3, "Dense connectivity": each layer sees the maps of all before it.

    The memory-efficient network joins them anew in each layer and keeps only the last result.
    """
    maps, moments = [x], None
    for layer in range(1, count + 1):
        layer_name = f"{name}_layer{layer}"
        if net.memory_efficient:
            moments = ChannelMoments(name=f"{layer_name}_moments")(maps[-1], moments)
        y = _dense_layer(maps, moments, net, layer_name)
        if net.memory_efficient and layer < count:
            maps.append(y)
        else:
            join = layers.Concatenate(axis=channel_axis(), name=f"{layer_name}_concat")
            maps = [join([*maps, y])]
    return maps[0]


def _dense_layer(maps: list, moments, net: DenseNet, name: str):
    """Section 3, "Composite function": normalisation, activation, 3x3 convolution."""
    sizes = {"1": 1, "2": 3} if net.bottleneck else {"1": 3}
    filters = {1: BOTTLENECK_WIDTH * net.growth_rate, 3: net.growth_rate}
    if net.memory_efficient and not net.dropout_rate:
        widths = [filters[size] for size in sizes.values()]
        return _recomputed(maps, moments, widths, list(sizes.values()), net, name, list(sizes))
    for index, size in sizes.items():
        maps, moments = [_composite(maps, moments, filters[size], size, net, name, index)], None
    return maps[0]


def _transition(x, net: DenseNet, name: str):
    """Section 3, "Pooling layers" and "Compression": fewer maps at half the size."""
    x = _composite([x], None, int(net.compression * channels(x)), 1, net, name)
    return layers.AveragePooling2D(2, name=f"{name}_pool")(x)


def _composite(
    maps: list, moments, filters: int, size: int, net: DenseNet, name: str, index: str = ""
):
    """A convolution with what stands before it, and dropout after it."""
    if net.memory_efficient:
        y = _recomputed(maps, moments, [filters], [size], net, name, [index])
    else:
        y = preactivate(maps[0], net.style, name, index)
        y = convolve(y, filters, size, net.style, f"{name}_conv{index}")
    if net.dropout_rate:
        y = layers.Dropout(net.dropout_rate, name=f"{name}_drop{index}")(y)
    return y


def _recomputed(
    maps: list, moments, filters: list[int], sizes: list[int], net: DenseNet, name: str,
    indices: list[str],
):  # fmt: skip
    """Convolutions with what stands before them as one layer that keeps only its result."""
    style = net.style
    return RecomputedConvolutions(
        filters,
        sizes,
        [style.initializer(f"{name}_conv{index}") for index in indices],
        style.activation,
        *BATCH_NORM[style.conventions],
        name=f"{name}_recomputed{indices[0] if len(indices) == 1 else ''}",
    )(maps, moments)


def _application(net: DenseNet, frame: Frame) -> str | None:
    """The network of keras.applications that has the same weights, if there is one."""
    published = DenseNet(
        net.depth,
        IMAGENET_DENSE_BOTTLENECK.table.get(net.depth, ()),
        GROWTH_RATE["imagenet"],
        True,
        IMAGENET_COMPRESSION,
        net.dropout_rate,
        net.memory_efficient,
        Style("relu", "batch", net.style.kernel_initializer, "keras"),
    )
    return f"DenseNet{net.depth}" if frame.stem == "imagenet" and net == published else None
