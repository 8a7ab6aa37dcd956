"""DenseNets: sizes, names, channels and refusals."""

import keras
import numpy as np
import pytest
from members import quick

from keraskip import build_densenet

SMALL = {"input_shape": (8, 8, 1)}

# fmt: off
SMALLEST_LAYERS = [
    "images", "stem_conv",
    "block1_layer1_norm1", "block1_layer1_act1", "block1_layer1_conv1", "block1_layer1_concat",
    "transition1_norm", "transition1_act", "transition1_conv", "transition1_pool",
    "block2_layer1_norm1", "block2_layer1_act1", "block2_layer1_conv1", "block2_layer1_concat",
    "transition2_norm", "transition2_act", "transition2_conv", "transition2_pool",
    "block3_layer1_norm1", "block3_layer1_act1", "block3_layer1_conv1", "block3_layer1_concat",
    "head_norm", "head_act", "head_pool", "predictions",
]

CHANNELS = (
    # depth  arguments                                                     after each block
    (7,      {"growth_rate": 4},                                           (20, 24, 28)),
    (13,     {"growth_rate": 4},                                           (28, 40, 52)),
    (13,     {"growth_rate": 4, "compression": 0.5},                       (28, 26, 25)),
    (10,     {"growth_rate": 4, "bottleneck": True},                       (20, 24, 28)),
    (10,     {"growth_rate": 4, "bottleneck": True, "compression": 0.5},   (12, 10,  9)),
)

# fmt: on


def random_images(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def test_layer_names_of_the_smallest_network():
    for _ in range(2):
        assert [layer.name for layer in build_densenet(7, **SMALL).layers] == SMALLEST_LAYERS


@pytest.mark.parametrize(("depth", "arguments", "channels"), CHANNELS)
def test_channels_after_each_block(depth, arguments, channels):
    model = build_densenet(depth, **arguments)
    outputs = [layer.output for layer in model.layers if layer.name.endswith("_concat")]
    per_block = len(outputs) // 3
    assert tuple(output.shape[-1] for output in outputs[per_block - 1 :: per_block]) == channels


def test_concatenation_keeps_the_maps_that_came_in():
    model = build_densenet(7, **SMALL)
    outputs = [model.get_layer(name).output for name in ("stem_conv", "block1_layer1_concat")]
    before, after = keras.Model(model.inputs, outputs).predict(random_images(2, 8, 8, 1), verbose=0)
    np.testing.assert_array_equal(after[..., : before.shape[-1]], before)


@pytest.mark.parametrize("depth", quick([7, 10], [7, 10, 40]))
def test_valid_depths(depth):
    assert build_densenet(depth, growth_rate=1, **SMALL).output_shape == (None, 10)


@pytest.mark.parametrize(("normalization", "biased"), [("batch", False), (None, True)])
def test_convolutions_have_a_bias_only_without_normalization(normalization, biased):
    model = build_densenet(7, normalization=normalization, **SMALL)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert {layer.use_bias for layer in convolutions} == {biased}
