"""Plain and residual networks: one builder, in which only the shortcut differs.

Sources: He et al. 2015 (arXiv 1512.03385) and He et al. 2016 (arXiv 1603.05027).
"""

from collections.abc import Sequence
from dataclasses import replace

import keras

from keraskip.models import pretrained
from keraskip.models.frame import Frame
from keraskip.models.large_graphs import uncollected
from keraskip.models.residual_block import residual_block
from keraskip.models.residual_layout import ResidualLayout, plan
from keraskip.models.shortcuts import SHORTCUTS
from keraskip.models.styled_layers import Activation, Initializer, preactivate


def build_resnet(
    depth: int | None = None,
    variant: str = "v1",
    shortcut: str | None = None,
    *,
    stem: str = "small",
    block: str | None = None,
    stage_blocks: Sequence[int] | None = None,
    filters: Sequence[int] | None = None,
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
    stochastic_depth_rate: float = 0.0,
    zero_init_residual: bool = False,
    conventions: str = "paper",
    name: str | None = None,
    prefix: str = "",
) -> keras.Model:
    """A residual network: skip connections by addition.

    Where `None` is the default, it stands for the paper's choice for such a network.

    Args:
        depth: number of weighted layers. With the small stem 6n+2 for basic blocks, 9n+2 for
            bottlenecks (He 2015, section 4.2; He 2016, section 4.1). With the ImageNet stem 18, 34,
            50, 101, 152 or 200 (He 2015, Table 1; He 2016, appendix). `None` with `stage_blocks`.
        variant: `"v1"`, activation after the addition (He 2015); `"v1.5"`, the same with the
            stride of a bottleneck in its 3x3 convolution, as in torchvision (basic blocks have it
            there anyway); or `"preact"`, normalisation and activation before each convolution,
            which keeps the identity path clean (He 2016).
        shortcut: how a skip changes the shape (He 2015, section 3.3). `"A"` takes every second
            pixel and appends zero channels, which adds no weights. `"B"` is a 1x1 convolution, in
            v1 followed by normalisation. `"C"` is such a convolution in every block. Or a skip
            other than the identity (He 2016, Table 1): `"constant_scaling"`,
            `"exclusive_gating"` (as in Highway networks), `"shortcut_only_gating"`, `"dropout"`.
            By default `"A"` with basic blocks and the small stem, else `"B"`.
        stem: `"small"`, a 3x3 convolution, or `"imagenet"`, 7x7 with stride 2 and max pooling.
        block: `"basic"`, two 3x3 convolutions, or `"bottleneck"`, 1x1, 3x3 and 1x1, the last
            four times as wide. By default bottlenecks for ImageNet networks from depth 50 on.
        stage_blocks: number of blocks of each stage, for a custom network.
        filters: width of each stage, by default 16, 32, 64 or, for ImageNet, 64 to 512.
        input_shape: height, width and channels of one image, in the order of
            `keras.config.image_data_format()`; height and width may be `None`. By default
            `(32, 32, 3)`, for ImageNet `(224, 224, 3)`. A shape like `(3, 224, 224)`, which looks
            like the other order, is refused; `input_tensor` takes any.
        classes: number of classes, by default 10, for ImageNet 1000. One class needs another
            `classifier_activation`, such as `"sigmoid"`: a softmax over one number is always 1.
        include_top: whether to end with global average pooling and the classifier.
        pooling: with `include_top=False`, `"avg"` or `"max"` pools the last maps to
            `[batch, channels]`; `None` leaves them as they are.
        classifier_activation: activation of the last layer; `None` returns the logits.
        weights: `None` for random ones, the path of a file, or `"imagenet"`. A `.keras` or
            `.weights.h5` file is of Keras; a `.safetensors` file has the tensors of a network of
            PyTorch with torchvision's names, for `conventions="paper"`. Names and shapes do not say
            where a bottleneck has its stride; torchvision's need `variant="v1.5"`. `"imagenet"` is
            for `stem="imagenet"`. With `conventions="keras"` Keras downloads the weights of
            `keras.applications` (depth 50, 101 or 152). With `conventions="paper"` and
            `pip install 'keraskip[hub]'` torchvision's weights come from the Hugging Face Hub
            (depth 18 or 34; 50, 101 or 152 with `variant="v1.5"`). Depth 18, 34 and 50 are pinned
            to a commit and a hash. At other depths the first download is kept, and a warning names
            its commit and hash.
        input_tensor: symbolic tensor to use as images, for instance the output of augmentation
            layers.
        activation: any Keras activation that keeps the shape. The papers use `"relu"`.
        normalization: `"batch"` as in the papers; `"group"` or `"layer"` (Wu & He 2018, arXiv
            1803.08494), which do not depend on the batch; or `None`, with which convolutions have
            a bias.
        kernel_initializer: any Keras initializer; `None` leaves the choice to the conventions.
        stochastic_depth_rate: share of batches in training that skip the last block. The rate
            falls linearly to the first (Huang et al. 2016, arXiv 1603.09382, section 3: 0.5).
        zero_init_residual: start each block as its shortcut. The last weight of the residual
            branch begins at zero: in v1 the gamma of a normalisation, else a kernel (Goyal et al.
            2017, arXiv 1706.02677, section 5.1).
        conventions: `"paper"`, with He initialisation, or `"keras"` for the details of
            `keras.applications`: its initialisation, biases, normalisation constants and, in
            pre-activation networks, strides in the last block of a stage and no activation in the
            stem.
        name: name of the model, by default `resnet<depth>` or `preact_resnet<depth>`.
        prefix: text in front of the name of every layer, such as `"left_"`, so that two networks
            can stand in one functional graph. Files of weights fit with any prefix.

    Returns:
        A functional `keras.Model`: images `[batch, height, width, channels]` to
        `[batch, classes]`.

    Raises:
        ValueError: for arguments outside the choices above, or that contradict each other, and
            for a file that does not fit.
        TypeError: for arguments of another type.
        ImportError: if `"imagenet"` needs `huggingface_hub`.
        ConnectionError: if the Hugging Face Hub cannot be reached.

    Example:

    >>> model = build_resnet(56, variant="preact", input_shape=(8, 8, 1))
    >>> model.output_shape
    (None, 10)
    """
    frame = Frame(
        stem, input_shape, input_tensor, include_top, pooling, classes, classifier_activation,
        name, prefix,
    )  # fmt: skip
    layout = plan(
        stem, depth, variant, block, stage_blocks, filters,
        activation, normalization, kernel_initializer, conventions,
    )  # fmt: skip
    if shortcut is None:
        shortcut = "A" if (stem, layout.block) == ("small", "basic") else "B"
    layout = replace(
        layout,
        shortcut=shortcut,
        stochastic_depth_rate=stochastic_depth_rate,
        zero_init_residual=zero_init_residual,
    )
    return _build(layout, frame, weights)


def build_plain(
    depth: int | None = None,
    variant: str = "v1",
    *,
    stem: str = "small",
    block: str | None = None,
    stage_blocks: Sequence[int] | None = None,
    filters: Sequence[int] | None = None,
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
    prefix: str = "",
) -> keras.Model:
    """A plain network: the ResNet of the same depth without its shortcuts.

    Source: He et al. 2015 (arXiv 1512.03385), section 3.3, "Plain Network", and section 4.2.

    The arguments have the meaning and the defaults that `build_resnet` documents. Its `shortcut`,
    `stochastic_depth_rate` and `zero_init_residual` concern skips and are missing. There are no
    ImageNet weights, and the model is called `plain<depth>` or `preact_plain<depth>` by default.

    The variables have the same names, shapes and order as in
    `build_resnet(depth, variant, shortcut="A")`, so weights can be copied from one to the other.

    Returns:
        A functional `keras.Model`: images `[batch, height, width, channels]` to
        `[batch, classes]`.

    Raises:
        ValueError: for arguments outside the choices of `build_resnet`, or that contradict each
            other.
        TypeError: for arguments of another type.

    Example:

    >>> build_plain(20).count_params() == build_resnet(20).count_params()
    True
    """
    frame = Frame(
        stem, input_shape, input_tensor, include_top, pooling, classes, classifier_activation,
        name, prefix,
    )  # fmt: skip
    layout = plan(
        stem, depth, variant, block, stage_blocks, filters,
        activation, normalization, kernel_initializer, conventions,
    )  # fmt: skip
    return _build(layout, frame, weights)


@uncollected()
def _build(layout: ResidualLayout, frame: Frame, weights: pretrained.Weights) -> keras.Model:
    """Stem, blocks and head."""
    frame.check_size(layout.smallest_map)
    file = None if weights is None else pretrained.find(weights, frame, layout)
    shortcut = None if layout.shortcut is None else SHORTCUTS[layout.shortcut]
    images = frame.images()
    x = frame.apply_stem(images, layout.filters[0], layout.style, activated=not layout.keras_v2)
    for block in layout.blocks(frame.prefix):
        x = residual_block(x, block, shortcut)
    if layout.preact:
        x = preactivate(x, layout.style, f"{frame.prefix}head")
    x = frame.apply_head(x, layout.style)
    model = frame.model(images, x, layout.name)
    if weights is not None:
        pretrained.load(model, weights, file, frame, layout)
    return model
