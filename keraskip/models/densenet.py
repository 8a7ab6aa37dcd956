"""DenseNets: every layer sees the maps of all layers before it.

Source: Huang et al. 2017 (arXiv 1608.06993).
"""

from collections.abc import Sequence

import keras

from keraskip.models import pretrained
from keraskip.models.dense_block import dense_block, transition
from keraskip.models.densenet_layout import DenseLayout, plan
from keraskip.models.efficient_dense_block import efficient_dense_block, efficient_transition
from keraskip.models.frame import Frame
from keraskip.models.large_graphs import uncollected
from keraskip.models.styled_layers import Activation, Initializer, preactivate


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
    prefix: str = "",
) -> keras.Model:
    """A DenseNet: skip connections by concatenation.

    `bottleneck=True, compression=0.5` is the paper's DenseNet-BC. Where `None` is the default, it
    stands for the paper's choice for such a network.

    Args:
        depth: number of weighted layers. With the small stem 3n+4, with bottlenecks 6n+4. With
            the ImageNet stem 121, 161, 169, 201 or 264 (Table 1). `None` with `stage_blocks`.
        growth_rate: number of maps that each layer adds, k in the paper. By default 12, with the
            ImageNet stem 32, at depth 161 48.
        bottleneck: put a 1x1 convolution of 4k maps before each 3x3 one (DenseNet-B). By default
            only with the ImageNet stem.
        compression: share of the maps that a transition keeps, in (0, 1] (DenseNet-C). By
            default 1, with the ImageNet stem 0.5.
        dropout_rate: share of values that training drops after each convolution but the first
            (section 4.2: 0.2 without data augmentation).
        memory_efficient: compute concatenated and normalised maps again in the backward pass
            (Pleiss et al. 2017, arXiv 1707.06990). Training takes less than half of the memory and
            about the same time. The weights are the same as in the ordinary network, in the same
            order: `ordinary.set_weights(efficient.get_weights())`. A process that loads such a
            model must `import keraskip.models.recompute` before.
        stem: `"small"`, a 3x3 convolution, or `"imagenet"`, 7x7 with stride 2 and max pooling.
        stage_blocks: number of layers of each dense block, for a custom network.
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
            PyTorch with torchvision's names, for `conventions="paper"`. `"imagenet"` is for
            `stem="imagenet"`. With `conventions="keras"` Keras downloads the weights of
            `keras.applications` (depth 121, 169 or 201). With `conventions="paper"` and
            `pip install 'keraskip[hub]'` torchvision's weights come from the Hugging Face Hub
            (depth 161, too). Depth 121 is pinned to a commit and a hash. At other depths the first
            download is kept, and a warning names its commit and hash.
        input_tensor: symbolic tensor to use as images, for instance the output of augmentation
            layers.
        activation: any Keras activation that keeps the shape. The paper uses `"relu"`.
        normalization: `"batch"` as in the paper; `"group"` or `"layer"` (Wu & He 2018, arXiv
            1803.08494), which do not depend on the batch; or `None`, with which convolutions have
            a bias.
        kernel_initializer: any Keras initializer; `None` leaves the choice to the conventions.
        conventions: `"paper"`, with He initialisation, or `"keras"` for the normalisation
            constants and the initialisation of `keras.applications`.
        name: name of the model, by default for instance `densenet40_k12` or `densenet_bc100_k12`.
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

    >>> model = build_densenet(40, growth_rate=12)
    >>> sum(weight.shape.num_elements() for weight in model.trainable_weights)
    1019722
    """
    frame = Frame(
        stem, input_shape, input_tensor, include_top, pooling, classes, classifier_activation,
        name, prefix,
    )  # fmt: skip
    layout = plan(
        stem, depth, growth_rate, bottleneck, compression, dropout_rate, memory_efficient,
        stage_blocks, activation, normalization, kernel_initializer, conventions,
    )  # fmt: skip
    return _build(layout, frame, weights)


@uncollected()
def _build(layout: DenseLayout, frame: Frame, weights: pretrained.Weights) -> keras.Model:
    """Stem, dense blocks with transitions between them, and head."""
    frame.check_size(layout.smallest_map)
    file = None if weights is None else pretrained.find(weights, frame, layout)
    images = frame.images()
    x = frame.apply_stem(images, layout.stem_filters, layout.style, layout.stem == "imagenet")
    block = efficient_dense_block if layout.memory_efficient else dense_block
    between = efficient_transition if layout.memory_efficient else transition
    for number, count in enumerate(layout.stage_blocks, start=1):
        if number > 1:
            x = between(x, layout, f"{frame.prefix}transition{number - 1}")
        x = block(x, count, layout, f"{frame.prefix}block{number}")
    x = preactivate(x, layout.style, f"{frame.prefix}head")
    x = frame.apply_head(x, layout.style)
    model = frame.model(images, x, layout.name)
    if weights is not None:
        pretrained.load(model, weights, file, frame, layout)
    return model
