"""The memory-efficient DenseNet trains as the ordinary one."""

import subprocess
import sys

import h5py
import keras
import numpy as np
import pytest
from members import quick
from uncompiled import UNCOMPILED

from keraskip import anatomy, build_densenet, features
from keraskip.callbacks.hook.recorded_weights import recorded_weights
from keraskip.models.recompute import RecomputedConvolutions

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.normal(size=(8, 8, 8, 3)).astype("float32")
LABELS = np.arange(8)
NETWORKS = (
    {"stage_blocks": (2, 1), "growth_rate": 4},
    {"stage_blocks": (2, 1), "growth_rate": 4, "bottleneck": True, "compression": 0.5},
)
# JAX always compiles, unless it is to take a minute.
WAYS = [(network, {}) for network in NETWORKS]
if keras.backend.backend() == "tensorflow":
    # By XLA: test_builders.py.
    graph, eagerly = {"jit_compile": False}, {"run_eagerly": True}
    WAYS = [(NETWORKS[0], graph)]
    others = [(NETWORKS[0], eagerly), (NETWORKS[1], graph), (NETWORKS[1], eagerly)]
    WAYS += [pytest.param(*way, marks=pytest.mark.slow) for way in others]


def twins(**arguments):
    """The ordinary and the memory-efficient network with the same weights."""
    ordinary = build_densenet(input_shape=(8, 8, 3), **arguments)
    efficient = build_densenet(input_shape=(8, 8, 3), memory_efficient=True, **arguments)
    efficient.set_weights(ordinary.get_weights())
    return ordinary, efficient


def train(model, steps, **way):
    way = way or UNCOMPILED
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", **way)
    for _ in range(steps):
        model.train_on_batch(IMAGES, LABELS)


def answers(model):
    return keras.ops.convert_to_numpy(model(IMAGES, training=False))


def assert_equal_weights(ordinary, efficient, atol=1e-5):
    for ours, theirs, weight in zip(
        ordinary.get_weights(), efficient.get_weights(), ordinary.weights, strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=atol, err_msg=weight.path)


@pytest.mark.parametrize(("network", "options"), WAYS, ids=str)
def test_three_steps_change_weights_and_statistics_alike(network, options):
    ordinary, efficient = twins(**network)
    before = [np.array(weight) for weight in ordinary.get_weights()]
    for model in (ordinary, efficient):
        train(model, 3, **options)
    assert_equal_weights(ordinary, efficient)
    # All of them have moved, by much more than they may differ.
    for old, new, weight in zip(before, ordinary.get_weights(), ordinary.weights, strict=True):
        if weight.name != "beta" or "block1" in weight.path:
            assert np.abs(old - new).max() > 1e-4, weight.path


def test_dropout_comes_after_each_convolution():
    _, efficient = twins(**NETWORKS[1], dropout_rate=0.5)
    names = [layer.name for layer in efficient.layers if "block1_layer1_" in layer.name]
    expected = ["moments", "recomputed1", "drop1", "recomputed2", "drop2"]
    assert names == [f"block1_layer1_{name}" for name in expected]
    train(efficient, 1)


def test_moving_statistics_move_once_in_a_step():
    _, efficient = twins(**NETWORKS[1])
    layer = efficient.get_layer("block1_layer1_recomputed")
    maps = keras.Model(efficient.input, efficient.get_layer("stem_conv").output)
    stem = keras.ops.convert_to_numpy(maps(IMAGES))
    train(efficient, 1)
    mean, variance = stem.mean(axis=(0, 1, 2)), stem.var(axis=(0, 1, 2))
    moving_mean, moving_variance = layer.composites[0].norm.get_weights()[2:]
    np.testing.assert_allclose(moving_mean, 0.1 * mean, atol=1e-5)
    np.testing.assert_allclose(moving_variance, 0.9 + 0.1 * variance, atol=1e-5)


@pytest.mark.parametrize("network", quick(NETWORKS[1:], NETWORKS), ids=str)
def test_weights_go_both_ways(network):
    ordinary, efficient = twins(**network)
    train(efficient, 2)
    ordinary.set_weights(efficient.get_weights())
    np.testing.assert_allclose(answers(ordinary), answers(efficient), atol=1e-5)
    assert not np.allclose(answers(ordinary), answers(twins(**network)[0]), atol=1e-2)


@pytest.mark.slow
def test_half_precision_keeps_weights_and_statistics_in_float32():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        ordinary, efficient = twins(**NETWORKS[1])
        for model in (ordinary, efficient):
            train(model, 2)
    finally:
        keras.config.set_dtype_policy(policy)
    layer = efficient.get_layer("block1_layer2_recomputed")
    assert {part.conv.compute_dtype for part in layer.composites} == {"bfloat16"}
    assert {weight.dtype for weight in layer.weights} == {"float32"}
    # Two steps in a type with 8 bits of mantissa; an error of method would show in the first digit.
    assert_equal_weights(ordinary, efficient, atol=0.03)


def test_a_frozen_layer_keeps_weights_and_statistics():
    _, efficient = twins(**NETWORKS[1])
    layer = efficient.get_layer("block2_layer1_recomputed")
    layer.trainable = False
    before = [np.array(weight) for weight in layer.get_weights()]
    train(efficient, 2)
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def working_memory(model):
    """Bytes that one gradient takes besides weights and images."""
    import jax

    variables = [
        [variable.value for variable in some]
        for some in (model.trainable_variables, model.non_trainable_variables)
    ]

    def loss(trainable, others):
        outputs, _ = model.stateless_call(trainable, others, IMAGES, training=True)
        return -outputs[:, 0].sum()

    compiled = jax.jit(jax.grad(loss)).lower(*variables).compile()
    return compiled.memory_analysis().temp_size_in_bytes


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="JAX tells without a step")
def test_working_memory_is_less_than_half():
    ordinary, efficient = twins(stage_blocks=(12,), bottleneck=True, growth_rate=12)
    assert working_memory(efficient) < 0.5 * working_memory(ordinary)


def test_arguments_survive_the_configuration():
    layer = RecomputedConvolutions(
        [6, 4], [1, 3], [keras.initializers.HeNormal(seed=1), "ones"], "tanh", 0.5, 1e-3,
        name="mine",
    )  # fmt: skip
    twin = RecomputedConvolutions.from_config(layer.get_config())
    assert twin.get_config() == layer.get_config()
    maps = [IMAGES, IMAGES[..., :2]]
    np.testing.assert_array_equal(
        *(keras.ops.convert_to_numpy(each(maps)) for each in (layer, twin))
    )


def test_saved_weights_keep_their_names(tmp_path):
    """So that files written before still load."""
    _, efficient = twins(**NETWORKS[0])
    efficient.save_weights(tmp_path / "efficient.weights.h5")
    with h5py.File(tmp_path / "efficient.weights.h5") as file:
        saved = file["layers"]["recomputed_convolutions"]
        assert set(saved["chain"]) == {"batch_normalization", "conv2d"}
        assert np.array_equal(
            saved["chain"]["conv2d"]["vars"]["0"],
            efficient.get_layer("block1_layer1_recomputed1").composites[0].conv.kernel,
        )


@pytest.mark.slow
def test_a_saved_network_loads_in_a_process_of_its_own(tmp_path):
    _, efficient = twins(**NETWORKS[0])
    efficient.save(tmp_path / "efficient.keras")
    script = f"""
import keras, keraskip.models.recompute
print(keras.models.load_model({str(tmp_path / "efficient.keras")!r}).count_params())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.split()[-1:] == [str(efficient.count_params())], done.stderr


def test_sizes_and_stages_are_those_of_the_ordinary_network():
    ordinary, efficient = twins(**NETWORKS[1])
    for total in ("parameters", "trainable", "macs", "depth"):
        assert getattr(anatomy(ordinary), total) == getattr(anatomy(efficient), total)
    depths = [
        [row["depth"] for row in recorded_weights(model)[1]] for model in (ordinary, efficient)
    ]
    assert depths[0] == depths[1]
    shapes = [
        [tuple(output.shape) for output in features(model).outputs]
        for model in (ordinary, efficient)
    ]
    assert shapes[0] == shapes[1]
