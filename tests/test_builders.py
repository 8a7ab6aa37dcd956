"""Every network can be saved, cloned, exported, compiled and trained in half precision."""

from functools import partial

import keras
import numpy as np
import pytest
from members import FAMILIES, MEMBERS, quick

from keraskip import build_densenet

SIDE = 16
IMAGES = np.random.default_rng(0).normal(size=(4, SIDE, SIDE, 3)).astype("float32")
LABELS = np.arange(4)
SMALL = {"input_shape": (SIDE, SIDE, 3)}
# The member that TensorFlow compiles to train: it has a layer of ours. The others are made of
# layers of Keras, and the tests of the recorder compile such networks.
COMPILED = ("densenet_efficient",)
# Members with computations other than convolution and batch normalisation.
NORMS_AND_GATES = ("group", "layer", "stochastic_depth", "shortcut_C", "shortcut_exclusive_gating")
# Members that stand for the others in the quick tests: other orders of layers, merges and norms.
QUICK = ("resnet_preact", "densenet_efficient", "layer")
# The same among the families: an addition and a concatenation.
QUICK_FAMILIES = ("resnet_preact", "densenet_efficient")
IMAGENET = ("imagenet", "imagenet_dense")
EACH_MEMBER = quick(QUICK, MEMBERS)
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="a matter of TensorFlow"
)


def predict(model, images=IMAGES):
    # Called layer by layer: to compile each of these networks would take most of the time.
    return keras.ops.convert_to_numpy(model(images, training=False))


def randomize(model):
    """Sets weights that differ from the initial ones, so that a lost weight is seen."""
    random = np.random.default_rng(1)
    model.set_weights(
        [
            random.uniform(0.5, 1.5, weight.shape)
            if weight.name in ("gamma", "moving_variance")
            else np.sqrt(2 / max(np.prod(weight.shape[:-1]), 8)) * random.normal(size=weight.shape)
            for weight in model.weights
        ]
    )
    return model


def train(model, compiled=True, **way):
    # A choice on TensorFlow alone: PyTorch does not compile, and JAX would take a minute without.
    if keras.backend.backend() == "tensorflow" and not compiled:
        way = {"run_eagerly": True}
    model.compile(keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy", **way)
    return model.fit(IMAGES, LABELS, verbose=0).history["loss"][0]


@pytest.fixture
def policy():
    before = keras.config.dtype_policy()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize("name", EACH_MEMBER)
def test_one_step_trains_every_weight(name):
    model = MEMBERS[name](**SMALL)
    before = [np.array(weight) for weight in model.get_weights()]
    assert np.isfinite(train(model, compiled=name in COMPILED))
    changed = {
        weight.path
        for weight, old, new in zip(model.weights, before, model.get_weights(), strict=True)
        if (old != new).any()
    }
    # Where another normalisation follows, the loss does not depend on gamma while beta is zero.
    expected = {weight.path for weight in model.weights if weight.name != "gamma"}
    # Behind a block that ends in zeros, or that this batch has skipped, no gradient arrives.
    if name not in ("zero_init", "stochastic_depth"):
        assert expected <= changed


@pytest.mark.parametrize("name", EACH_MEMBER)
def test_saved_cloned_and_configured_twins_are_equal(name, tmp_path):
    model = randomize(MEMBERS[name](**SMALL))
    model.save(tmp_path / "model.keras")
    expected = predict(model)
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(predict(loaded), expected)
    twins = [keras.models.clone_model(model)]
    if name in FAMILIES:  # Loading makes the others from their configuration, too.
        twins.append(keras.Model.from_config(model.get_config()))
    for twin in twins:
        twin.set_weights(model.get_weights())
        assert [weight.path for weight in twin.weights] == [w.path for w in model.weights]
        np.testing.assert_array_equal(predict(twin), expected)


# One of layers of Keras alone, and one that has a layer of ours.
EXPORTED = ("resnet_preact", "densenet_efficient")


@pytest.mark.slow  # test_export.py exports networks of both kinds in our way, by the same means
@on_tensorflow
@pytest.mark.parametrize("name", FAMILIES)
def test_exported_model_gives_the_same_answers(name, tmp_path):
    import tensorflow as tf

    model = randomize(FAMILIES[name](**SMALL))
    model.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(tmp_path / "exported")
    np.testing.assert_allclose(exported.serve(IMAGES), predict(model), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("half", quick(["mixed_float16"], ["mixed_float16", "mixed_bfloat16"]))
@pytest.mark.parametrize("name", quick(QUICK[1:], [*FAMILIES, *NORMS_AND_GATES]))
def test_mixed_precision_keeps_the_classifier_in_float32(name, half, policy):
    policy(half)
    model = MEMBERS[name](**SMALL)
    computes = {layer.name: layer.compute_dtype for layer in model.layers}
    assert computes.pop("predictions") == "float32"
    assert set(computes.values()) == {half.removeprefix("mixed_")}
    assert np.isfinite(train(model, compiled=False))
    outputs = predict(model)
    assert outputs.dtype == np.float32
    np.testing.assert_allclose(outputs.sum(axis=1), 1, rtol=1e-6)


# The others are made of the same layers, and JAX compiles every network that is trained.
@pytest.mark.slow
@on_tensorflow
@pytest.mark.parametrize(
    "build",
    [
        pytest.param(FAMILIES["resnet"], marks=pytest.mark.slow),  # the recorder's tests have one
        partial(build_densenet, growth_rate=4, stage_blocks=(2,), memory_efficient=True),
    ],
    ids=["resnet", "densenet_efficient"],
)
def test_compiled_by_xla(build):
    assert np.isfinite(train(build(**SMALL), jit_compile=True))


@pytest.mark.parametrize(
    "name", quick(["densenet_efficient", "imagenet"], [*FAMILIES, *NORMS_AND_GATES, *IMAGENET])
)
def test_images_of_unknown_size(name):
    unknown = MEMBERS[name](input_shape=(None, None, 1))
    for side in 28, 33:
        images = np.ones((2, side, side, 1), "float32")
        known = MEMBERS[name](input_shape=(side, side, 1))
        known.set_weights(unknown.get_weights())
        np.testing.assert_allclose(
            predict(unknown, images), predict(known, images), rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("name", quick(["resnet_preact"], MEMBERS))
def test_channels_first_is_the_same_network(name, tmp_path):
    # No layer has as many filters as the images have pixels in a row: in that case Keras 3.15 on
    # TensorFlow takes the width for the channels when it adds a bias.
    images = IMAGES[:, :12, :12]
    last = randomize(MEMBERS[name](input_shape=(12, 12, 3)))
    keras.config.set_image_data_format("channels_first")
    try:
        first = MEMBERS[name](input_shape=(3, 12, 12))
        first.set_weights(last.get_weights())
        first.save(tmp_path / "first.keras")
    finally:
        keras.config.set_image_data_format("channels_last")
    # The layers remember their format, whatever is set when they are loaded.
    loaded = keras.models.load_model(tmp_path / "first.keras")
    for model in (first, loaded):
        outputs = predict(model, images.transpose(0, 3, 1, 2))
        np.testing.assert_allclose(outputs, predict(last, images), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", quick(QUICK_FAMILIES, FAMILIES))
def test_without_top(name):
    whole = randomize(FAMILIES[name](**SMALL))
    maps = keras.Model(whole.input, whole.get_layer("head_pool").input)
    expected = predict(maps)
    pooled = {None: expected, "avg": expected.mean(axis=(1, 2)), "max": expected.max(axis=(1, 2))}
    for pooling, values in pooled.items():
        model = FAMILIES[name](**SMALL, include_top=False, pooling=pooling)
        model.set_weights(maps.get_weights())
        np.testing.assert_allclose(predict(model), values, rtol=1e-5, atol=1e-6, err_msg=pooling)


@pytest.mark.parametrize("name", quick(QUICK_FAMILIES, FAMILIES))
def test_input_tensor_goes_back_to_where_it_came_from(name):
    images = keras.Input((SIDE, SIDE, 3))
    brighter = keras.layers.Rescaling(1.0, offset=0.5)(images)
    model = FAMILIES[name](input_tensor=brighter)
    plain = FAMILIES[name](**SMALL)
    plain.set_weights(model.get_weights())
    np.testing.assert_allclose(predict(model), predict(plain, IMAGES + 0.5), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", quick(QUICK_FAMILIES, FAMILIES))
def test_head_arguments(name):
    model = FAMILIES[name](**SMALL, classes=3, classifier_activation=None, name="mine")
    assert model.name == "mine"
    outputs = predict(model)
    assert outputs.shape == (4, 3)
    assert not np.allclose(outputs.sum(axis=1), 1)


@pytest.mark.parametrize("name", quick(["resnet_preact"], FAMILIES))
def test_weights_from_a_file(name, tmp_path):
    model = randomize(FAMILIES[name](**SMALL))
    model.save(tmp_path / "saved.keras")
    model.save_weights(tmp_path / "saved.weights.h5")
    for file in tmp_path.iterdir():
        loaded = FAMILIES[name](**SMALL, weights=file)
        np.testing.assert_array_equal(predict(loaded), predict(model), err_msg=file.name)
