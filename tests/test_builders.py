"""What every network can do: be saved, cloned, exported, compiled, trained in half precision."""

import keras
import numpy as np
import pytest
from members import FAMILIES, MEMBERS

SIDE = 16
IMAGES = np.random.default_rng(0).normal(size=(4, SIDE, SIDE, 3)).astype("float32")
LABELS = np.arange(4)
SMALL = {"input_shape": (SIDE, SIDE, 3)}
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the export is TensorFlow's"
)


def predict(model, images=IMAGES):
    # Called layer by layer: to compile each of these networks would take most of the time.
    return keras.ops.convert_to_numpy(model(images, training=False))


def train(model, **compile_arguments):
    model.compile(
        keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy", **compile_arguments
    )
    return model.fit(IMAGES, LABELS, verbose=0).history["loss"][0]


@pytest.fixture
def policy():
    before = keras.config.dtype_policy()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize("name", MEMBERS)
def test_one_step_trains_every_weight(name):
    model = MEMBERS[name](**SMALL)
    before = [np.array(weight) for weight in model.get_weights()]
    assert np.isfinite(train(model))
    changed = {
        weight.path
        for weight, old, new in zip(model.weights, before, model.get_weights(), strict=True)
        if (old != new).any()
    }
    kernels = {weight.path for weight in model.weights if weight.name == "kernel"}
    # Behind a block that ends in zeros, or that this batch has skipped, no gradient arrives.
    if name not in ("zero_init", "stochastic_depth"):
        assert kernels <= changed


@pytest.mark.parametrize("name", MEMBERS)
def test_saved_cloned_and_configured_twins_are_equal(name, tmp_path):
    model = MEMBERS[name](**SMALL)
    model.save(tmp_path / "model.keras")
    twins = [
        keras.models.load_model(tmp_path / "model.keras"),
        keras.models.clone_model(model),
        keras.Model.from_config(model.get_config()),
    ]
    expected = predict(model)
    for twin in twins:
        twin.set_weights(model.get_weights())
        assert [weight.path for weight in twin.weights] == [w.path for w in model.weights]
        np.testing.assert_array_equal(predict(twin), expected)


@on_tensorflow
@pytest.mark.parametrize("name", FAMILIES)
def test_exported_model_gives_the_same_answers(name, tmp_path):
    import tensorflow as tf

    model = FAMILIES[name](**SMALL)
    model.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(tmp_path / "exported")
    np.testing.assert_allclose(exported.serve(IMAGES), predict(model), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("half", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_keeps_the_classifier_in_float32(name, half, policy):
    policy(half)
    model = FAMILIES[name](**SMALL)
    computes = {layer.name: layer.compute_dtype for layer in model.layers}
    assert computes.pop("predictions") == "float32"
    assert set(computes.values()) == {half.removeprefix("mixed_")}
    assert np.isfinite(train(model))
    outputs = predict(model)
    assert outputs.dtype == np.float32
    np.testing.assert_allclose(outputs.sum(axis=1), 1, rtol=1e-6)


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="Keras does not compile for torch")
@pytest.mark.parametrize("name", FAMILIES)
def test_compiled_by_xla(name):
    assert np.isfinite(train(FAMILIES[name](**SMALL), jit_compile=True))


@pytest.mark.parametrize("name", [*FAMILIES, "imagenet", "imagenet_dense", "shortcut_C"])
@pytest.mark.parametrize("side", [28, 33])
def test_images_of_unknown_size(name, side):
    images = np.ones((2, side, side, 1), "float32")
    unknown = MEMBERS[name](input_shape=(None, None, 1))
    known = MEMBERS[name](input_shape=(side, side, 1))
    known.set_weights(unknown.get_weights())
    np.testing.assert_allclose(
        predict(unknown, images), predict(known, images), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("name", MEMBERS)
def test_channels_first_is_the_same_network(name):
    if name.startswith("imagenet") and keras.backend.backend() == "tensorflow":
        pytest.skip("TensorFlow's pooling on CPU takes channels last only")
    last = MEMBERS[name](**SMALL)
    keras.config.set_image_data_format("channels_first")
    try:
        first = MEMBERS[name](input_shape=(3, SIDE, SIDE))
        first.set_weights(last.get_weights())
        outputs = predict(first, IMAGES.transpose(0, 3, 1, 2))
    finally:
        keras.config.set_image_data_format("channels_last")
    np.testing.assert_allclose(outputs, predict(last), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("pooling", [None, "avg", "max"])
def test_without_top(name, pooling):
    model = FAMILIES[name](**SMALL, include_top=False, pooling=pooling)
    whole = FAMILIES[name](**SMALL)
    maps = keras.Model(whole.input, whole.get_layer("head_pool").input)
    maps.set_weights(model.get_weights())
    expected = predict(maps)
    if pooling:
        expected = {"avg": np.mean, "max": np.max}[pooling](expected, axis=(1, 2))
    np.testing.assert_allclose(predict(model), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", FAMILIES)
def test_input_tensor_goes_back_to_where_it_came_from(name):
    images = keras.Input((SIDE, SIDE, 3))
    brighter = keras.layers.Rescaling(1.0, offset=0.5)(images)
    model = FAMILIES[name](input_tensor=brighter)
    plain = FAMILIES[name](**SMALL)
    plain.set_weights(model.get_weights())
    np.testing.assert_allclose(predict(model), predict(plain, IMAGES + 0.5), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", FAMILIES)
def test_head_arguments(name):
    model = FAMILIES[name](**SMALL, classes=3, classifier_activation=None, name="mine")
    assert model.name == "mine"
    outputs = predict(model)
    assert outputs.shape == (4, 3)
    assert not np.allclose(outputs.sum(axis=1), 1)


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
@pytest.mark.parametrize("name", FAMILIES)
def test_weights_from_a_file(name, suffix, tmp_path):
    file = tmp_path / f"saved{suffix}"
    model = FAMILIES[name](**SMALL)
    (model.save if suffix == ".keras" else model.save_weights)(file)
    loaded = FAMILIES[name](**SMALL, weights=file)
    np.testing.assert_array_equal(predict(loaded), predict(model))
