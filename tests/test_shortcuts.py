"""Each shortcut against the same computation in numpy, on a block's input and branch."""

import keras
import numpy as np
import pytest

from keraskip import build_resnet
from keraskip.models.shortcuts import GATE_BIAS

SMALL = {"input_shape": (8, 8, 3), "normalization": None, "activation": None}
IMAGES = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")


def run(model, *layers):
    """The outputs of the layers of these names for the images."""
    outputs = [model.get_layer(name).output for name in layers]
    return [
        keras.ops.convert_to_numpy(value) for value in keras.Model(model.input, outputs)(IMAGES)
    ]


def block_of(shortcut, block="stage1_block1"):
    """Input, residual branch and output of one block; the network has no activations."""
    before = {"stage1_block1": "stem_act", "stage2_block1": "stage1_block1_act2"}[block]
    model = build_resnet(8, shortcut=shortcut, **SMALL)
    return model, *run(model, before, f"{block}_conv2", f"{block}_act2")


def widened(x):
    """Shortcut A: every second pixel, as many zero channels again."""
    return np.pad(x[:, ::2, ::2], ((0, 0), (0, 0), (0, 0), (0, x.shape[-1])))


def projected(x, layer, strides):
    kernel, bias = layer.get_weights()
    return x[:, ::strides, ::strides] @ kernel[0, 0] + bias


def assert_close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_a_and_b_keep_the_identity(shortcut):
    _, x, residual, output = block_of(shortcut)
    assert_close(output, x + residual)


def test_a_appends_zero_channels():
    _, x, residual, output = block_of("A", "stage2_block1")
    assert_close(output, widened(x) + residual)


@pytest.mark.parametrize(
    ("shortcut", "block", "strides"),
    [
        ("B", "stage2_block1", 2),
        ("C", "stage1_block1", 1),
        pytest.param("C", "stage2_block1", 2, marks=pytest.mark.slow),
    ],
)
def test_b_and_c_project(shortcut, block, strides):
    model, x, residual, output = block_of(shortcut, block)
    skip = projected(x, model.get_layer(f"{block}_shortcut_conv"), strides)
    assert_close(output, skip + residual)


def test_constant_scaling_halves_both_paths():
    _, x, residual, output = block_of("constant_scaling")
    assert_close(output, 0.5 * x + 0.5 * residual)
    _, x, residual, output = block_of("constant_scaling", "stage2_block1")
    assert_close(output, 0.5 * widened(x) + 0.5 * residual)


@pytest.mark.parametrize(
    ("block", "strides", "identity"),
    [
        pytest.param("stage1_block1", 1, lambda x: x, marks=pytest.mark.slow),
        ("stage2_block1", 2, widened),
    ],
)
@pytest.mark.parametrize("shortcut", ["exclusive_gating", "shortcut_only_gating"])
def test_gating(shortcut, block, strides, identity):
    model, x, residual, output = block_of(shortcut, block)
    layer = model.get_layer(f"{block}_gate")
    np.testing.assert_array_equal(layer.get_weights()[1], GATE_BIAS)
    gate = 1 / (1 + np.exp(-projected(x, layer, strides)))
    share = gate if shortcut == "exclusive_gating" else 1
    assert_close(output, share * residual + (1 - gate) * identity(x))


def test_dropout_drops_half_of_the_identity_in_training_only():
    model, x, residual, output = block_of("dropout")
    assert_close(output, x + residual)
    layer = model.get_layer("stage1_block1_shortcut_drop")
    dropped = keras.ops.convert_to_numpy(layer(x, training=True))
    assert 0.4 < np.mean(dropped == 0) < 0.6
    kept = dropped != 0
    np.testing.assert_allclose(dropped[kept], 2 * x[kept], rtol=1e-6)


def test_preactivated_projections_start_from_the_activated_input():
    model = build_resnet(8, "preact", "B", input_shape=(8, 8, 3), normalization=None)
    layer = model.get_layer("stage2_block1_shortcut_conv")
    activated, skip = run(model, "stage2_block1_act1", "stage2_block1_shortcut_conv")
    assert_close(skip, projected(activated, layer, 2))
    assert activated.min() == 0


def test_stochastic_depth_falls_linearly_to_the_first_block():
    model = build_resnet(20, stochastic_depth_rate=0.5)
    rates = [layer.rate for layer in model.layers if layer.name.endswith("_drop")]
    np.testing.assert_allclose(rates, 0.5 * np.arange(1, 10) / 9)


def test_stochastic_depth_drops_whole_batches_and_scales_in_testing():
    model = build_resnet(8, stochastic_depth_rate=0.5, **SMALL)
    drop, keep = (model.get_layer(f"stage3_block1_{name}") for name in ("drop", "keep"))
    branch = np.ones((4, 2, 2, 64), "float32")

    def passed(training):
        return keras.ops.convert_to_numpy(keep(drop(branch, training=training)))

    in_training = [np.unique(passed(training=True)).tolist() for _ in range(20)]
    assert sorted(map(tuple, set(map(tuple, in_training)))) == [(0.0,), (1.0,)]
    np.testing.assert_allclose(passed(training=False), 0.5)


@pytest.mark.parametrize("variant", ["v1", "preact"])
@pytest.mark.parametrize("normalization", ["batch", None])
def test_zero_init_residual_begins_with_the_shortcut(variant, normalization):
    model = build_resnet(
        8, variant, input_shape=(8, 8, 3), normalization=normalization, zero_init_residual=True
    )
    # The stem ends in an activation, so that one more changes nothing.
    x, output = run(model, "stem_act", f"stage1_block1_{'act2' if variant == 'v1' else 'add'}")
    np.testing.assert_array_equal(output, x)
