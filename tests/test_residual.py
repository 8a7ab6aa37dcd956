"""Plain and residual networks: sizes, names, shortcuts and refusals."""

import keras
import numpy as np
import pytest
from members import quick

from keraskip import build_plain, build_resnet

SMALL = {"input_shape": (8, 8, 1)}
VARIANTS = ("v1", "preact")

# fmt: off
# Keras lists the layers of a graph by depth: the layers of a skip stand among the branch's.
SMALLEST_LAYERS = [
    "images", "stem_conv", "stem_norm", "stem_act",
    "stage1_block1_conv1", "stage1_block1_norm1", "stage1_block1_act1",
    "stage1_block1_conv2", "stage1_block1_norm2", "stage1_block1_add", "stage1_block1_act2",
    "stage2_block1_conv1_pad", "stage2_block1_conv1", "stage2_block1_shortcut_subsample",
    "stage2_block1_norm1", "stage2_block1_shortcut_to_front",
    "stage2_block1_act1", "stage2_block1_shortcut_pad",
    "stage2_block1_conv2", "stage2_block1_shortcut_to_back",
    "stage2_block1_norm2", "stage2_block1_add", "stage2_block1_act2",
    "stage3_block1_conv1_pad", "stage3_block1_conv1", "stage3_block1_shortcut_subsample",
    "stage3_block1_norm1", "stage3_block1_shortcut_to_front",
    "stage3_block1_act1", "stage3_block1_shortcut_pad",
    "stage3_block1_conv2", "stage3_block1_shortcut_to_back",
    "stage3_block1_norm2", "stage3_block1_add", "stage3_block1_act2",
    "head_pool", "predictions",
]

TWINS = [{"depth": 8, "variant": variant, "input_shape": (8, 8, 1)} for variant in VARIANTS]
MORE_TWINS = [
    {"depth": 11, "variant": "v1", "block": "bottleneck", "input_shape": (8, 8, 1)},
    {"depth": 11, "variant": "v1.5", "block": "bottleneck", "input_shape": (8, 8, 1)},
    {
        "stage_blocks": (2, 2), "filters": (8, 16), "variant": "v1", "stem": "imagenet",
        "input_shape": (33, 33, 3),
    },
]
MORE_TWINS += [
    {"depth": depth, "variant": variant, "input_shape": (8, 8, 1)}
    for depth in (14, 56)
    for variant in VARIANTS
]
SHORTCUT_WEIGHTS = (
    # variant   the kernels 16x32 and 32x64, in v1 with gamma and beta for 32 and for 64 maps
    ("v1",      16 * 32 + 32 * 64 + 2 * (32 + 64)),
    ("preact",  16 * 32 + 32 * 64),
)
# Without residuals, v1 ends its blocks with the activation of maps that are positive already.
ENDS = (
    # depth variant   normalization  last layer of the stages
    (8,    "v1",      None,          "stage3_block1_act2"),
    (14,   "v1",      "batch",       "stage3_block2_act2"),
    (8,    "preact",  None,          "stage3_block1_add"),
    (14,   "preact",  "batch",       "stage3_block2_add"),
)
# fmt: on
ONE_OF_EACH = quick([ENDS[0], ENDS[3]], ENDS)


def count(weights):
    return sum(int(np.prod(weight.shape)) for weight in weights)


def random_images(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def predict(model, images):
    # Called layer by layer: to compile each of these networks would take most of the time.
    return keras.ops.convert_to_numpy(model(images, training=False))


def answers(model, images):
    return keras.ops.convert_to_numpy(model(images, training=True))


def names_and_shapes(model):
    return [(variable.path, tuple(variable.shape)) for variable in model.variables]


def output_of(model, layer_name, images):
    return predict(keras.Model(model.input, model.get_layer(layer_name).output), images)


def zero_residual_kernels(model):
    for layer in model.layers:
        if layer.name.startswith("stage") and isinstance(layer, keras.layers.Conv2D):
            layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])


@pytest.mark.parametrize(("variant", "expected"), SHORTCUT_WEIGHTS)
def test_weights_of_shortcut_b(variant, expected):
    with_projection = build_resnet(8, variant, "B").trainable_weights
    in_shortcuts = [weight for weight in with_projection if "_shortcut_" in weight.path]
    assert count(in_shortcuts) == expected
    assert count(with_projection) - count(build_plain(8, variant).trainable_weights) == expected


def test_layer_names_of_the_smallest_network():
    for _ in range(2):
        assert [layer.name for layer in build_resnet(8, **SMALL).layers] == SMALLEST_LAYERS


@pytest.mark.parametrize(
    "arguments",
    [*TWINS, *(pytest.param(twin, marks=pytest.mark.slow) for twin in MORE_TWINS)],
    ids=str,
)
def test_weights_go_from_plain_to_resnet_and_back(arguments):
    plain, resnet = build_plain(**arguments), build_resnet(**arguments, shortcut="A")
    assert names_and_shapes(plain) == names_and_shapes(resnet)
    images = random_images(2, *plain.input_shape[1:])
    before = answers(plain, images)
    for ours, theirs in zip(plain.variables, resnet.variables, strict=True):
        theirs.assign(keras.ops.convert_to_numpy(ours))
    for weight in plain.variables:
        weight.assign(keras.ops.zeros_like(weight))
    assert not np.allclose(before, answers(plain, images))
    assert not np.allclose(before, answers(resnet, images))
    for ours, theirs in zip(plain.variables, resnet.variables, strict=True):
        ours.assign(keras.ops.convert_to_numpy(theirs))
    np.testing.assert_array_equal(answers(plain, images), before)


@pytest.mark.parametrize("network", ONE_OF_EACH, ids=str)
def test_without_residuals_a_resnet_is_the_identity_path(network):
    depth, variant, normalization, end = network
    model = build_resnet(depth, variant, normalization=normalization, **SMALL)
    zero_residual_kernels(model)
    images = random_images(2, 8, 8, 1)
    stem = output_of(model, "stem_act", images)
    features = output_of(model, end, images)
    assert stem.any()
    np.testing.assert_array_equal(features[..., :16], stem[:, ::4, ::4])
    assert not features[..., 16:].any()


@pytest.mark.parametrize("network", ONE_OF_EACH, ids=str)
def test_without_residuals_a_plain_network_passes_nothing_on(network):
    depth, variant, normalization, end = network
    model = build_plain(depth, variant, normalization=normalization, **SMALL)
    zero_residual_kernels(model)
    images = random_images(2, 8, 8, 1)
    assert output_of(model, "stem_act", images).any()
    assert not output_of(model, end.replace("add", "conv2"), images).any()


@pytest.mark.parametrize("side", [8, 7])
def test_shortcut_a_takes_every_second_pixel_and_appends_zero_channels(side):
    model = build_resnet(8, input_shape=(side, side, 1))
    source = model.get_layer("stage1_block1_act2").output
    skip = model.get_layer("stage2_block1_shortcut_to_back").output
    x = np.arange(2 * side * side * 16, dtype="float32").reshape(2, side, side, 16)
    expected = np.pad(x[:, ::2, ::2], ((0, 0), (0, 0), (0, 0), (0, 16)))
    np.testing.assert_array_equal(predict(keras.Model(source, skip), x), expected)


def test_one_initializer_gives_each_layer_its_own_kernel():
    model = build_resnet(14, kernel_initializer=keras.initializers.HeNormal(seed=1), **SMALL)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    kernels = [layer.get_weights()[0] for layer in convolutions]
    assert len({kernel.tobytes() for kernel in kernels}) == len(kernels)
    assert len({kernel.shape for kernel in kernels}) < len(kernels)


def test_a_seeded_initializer_gives_the_same_network_twice():
    twins = [
        build_plain(8, kernel_initializer=keras.initializers.HeNormal(seed=1), **SMALL)
        for _ in range(2)
    ]
    for first, second in zip(*(twin.get_weights() for twin in twins), strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    "kind", quick(["v1 A", "preact B"], ["v1 A", "v1 B", "preact A", "preact B"])
)
def test_small_grey_images(kind):
    variant, shortcut = kind.split()
    outputs = predict(build_resnet(8, variant, shortcut, **SMALL), random_images(2, 8, 8, 1))
    assert outputs.shape == (2, 10)
    np.testing.assert_allclose(outputs.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("build", [build_plain, build_resnet])
@pytest.mark.parametrize(("normalization", "biased"), [("batch", False), (None, True)])
def test_convolutions_have_a_bias_only_without_normalization(build, normalization, biased):
    model = build(8, normalization=normalization, **SMALL)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert {layer.use_bias for layer in convolutions} == {biased}
