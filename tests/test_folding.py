"""Folded networks compute the same with less batch normalisation."""

import keras
import numpy as np
import pytest
from keras import layers
from members import MEMBERS, quick

from keraskip import fold_batch_norm

RANDOM = np.random.default_rng(0)
# Of all members, how many normalisations stay: those after an addition or a concatenation.
LEFT = {
    "plain": 0,
    "plain_preact": 0,
    "resnet": 0,
    "resnet_v1.5": 0,
    "resnet_preact": 2,
    "densenet_bc": 5,
    "densenet_efficient": 5,
    "bottleneck": 0,
    "preact_bottleneck": 2,
    "stochastic_depth": 0,
    "no_normalization": 0,
    "dropout": 8,
    "keras_v1": 0,
    "keras_v2": 2,
    "imagenet": 0,
    "shortcut_B": 0,
    "shortcut_exclusive_gating": 0,
}


# Those of other blocks, or with a layer of ours; the others are made of the same.
QUICK = (
    "resnet_v1.5", "resnet_preact", "densenet_bc", "densenet_efficient", "no_normalization",
    "dropout",
)  # fmt: skip


def norms(model):
    found = model._flatten_layers()
    return sum(isinstance(layer, layers.BatchNormalization) for layer in found)


def learned(model):
    """The model with statistics that are those of some images."""
    for layer in model._flatten_layers():
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([RANDOM.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    return model


def images(model, count=3):
    return RANDOM.normal(size=(count, *model.input_shape[1:])).astype("float32")


def outputs(model, x):
    return keras.ops.convert_to_numpy(model(x, training=False))


def assert_same(folded, model):
    x = images(model)
    expected = outputs(model, x)
    scale = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(outputs(folded, x) / scale, expected / scale, atol=1e-5)


@pytest.mark.parametrize("name", quick(QUICK, LEFT))
def test_members(name):
    shape = {} if name == "imagenet" else {"input_shape": (8, 8, 3)}
    model = learned(MEMBERS[name](**shape, classifier_activation=None))
    before = [weight.copy() for weight in model.get_weights()]
    folded = fold_batch_norm(model)
    assert_same(folded, model)
    assert norms(folded) == LEFT[name]
    for ours, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def chain(*parts, shape=(6, 6, 4)):
    x = inputs = keras.Input(shape)
    for part in parts:
        x = part(x)
    return learned(keras.Model(inputs, x))


NORM = layers.BatchNormalization


@pytest.mark.parametrize(
    ("parts", "left"),
    [
        ([layers.Conv2D(3, 3, use_bias=False), NORM()], 0),
        ([layers.Conv2D(4, 3, groups=2), NORM(scale=False)], 0),
        ([layers.Conv2DTranspose(3, 3), NORM(center=False)], 0),
        ([layers.DepthwiseConv2D(3, depth_multiplier=2), NORM()], 0),
        ([layers.Flatten(), layers.Dense(3), NORM(), layers.Dense(2)], 0),
        ([NORM(), layers.Conv2D(3, 3)], 0),
        ([NORM(), layers.Conv2D(3, 1, padding="same", strides=2)], 0),
        ([NORM(), layers.Conv2D(3, 3), NORM()], 0),
        ([layers.Flatten(), NORM(), layers.Dense(3)], 0),
        ([layers.Conv2D(3, 3), NORM(), layers.Conv2D(2, 3), layers.ReLU(), NORM()], 1),
        ([NORM(), layers.Conv2D(3, 3, padding="same")], 1),
        ([NORM(), layers.Conv2D(4, 3, groups=2)], 1),
        ([NORM(), layers.ReLU(), layers.Conv2D(3, 3)], 1),
        ([layers.Conv2D(3, 3, activation="relu"), NORM()], 1),
        ([layers.Conv2D(4, 3), NORM(axis=1)], 1),
        ([layers.SeparableConv2D(3, 3), NORM()], 1),
    ],
)
def test_what_is_exact_is_folded(parts, left):
    model = chain(*parts)
    folded = fold_batch_norm(model)
    assert norms(folded) == left
    assert_same(folded, model)


def test_what_others_see_too_stays():
    inputs = keras.Input((6, 6, 4))
    x = layers.Conv2D(4, 1)(inputs)
    y = NORM()(x)
    model = learned(keras.Model(inputs, [layers.Add()([x, y]), layers.Conv2D(2, 1)(y)]))
    assert fold_batch_norm(model) is model


def test_a_normalisation_for_several_convolutions():
    inputs = keras.Input((6, 6, 4))
    y = NORM()(inputs)
    model = learned(
        keras.Model(inputs, layers.Add()([layers.Conv2D(2, 1)(y), layers.Conv2D(2, 1)(y)]))
    )
    folded = fold_batch_norm(model)
    assert norms(folded) == 0
    assert_same(folded, model)


def test_shared_layers_stay():
    inputs = keras.Input((6, 6, 4))
    conv, norm = layers.Conv2D(4, 3, padding="same"), NORM()
    model = learned(keras.Model(inputs, norm(conv(norm(conv(inputs))))))
    assert fold_batch_norm(model) is model


def test_nested_models_and_sequences():
    inner = keras.Sequential([layers.Input((6, 6, 3)), layers.Conv2D(3, 3), NORM()], name="inner")
    model = learned(keras.Sequential([layers.Input((8, 8, 4)), layers.Conv2D(3, 3), NORM(), inner]))
    folded = fold_batch_norm(model)
    assert norms(folded) == 0
    assert_same(folded, model)


def test_a_normalisation_by_the_batch_stays():
    inputs = keras.Input((6, 6, 4))
    model = keras.Model(inputs, NORM()(layers.Conv2D(2, 1)(inputs), training=True))
    assert fold_batch_norm(model) is model


def test_a_model_without_graph_is_refused():
    class Subclassed(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(TypeError, match="functional"):
        fold_batch_norm(Subclassed())


def test_a_folded_network_is_a_file_like_any(tmp_path):
    model = learned(MEMBERS["densenet_efficient"](input_shape=(8, 8, 3)))
    folded = fold_batch_norm(model)
    folded.save(tmp_path / "folded.keras")
    assert_same(keras.models.load_model(tmp_path / "folded.keras"), model)


def test_arguments_by_keyword():
    inputs = keras.Input((6, 6, 4))
    model = learned(keras.Model(inputs, NORM()(inputs=layers.Conv2D(3, 3)(inputs=inputs))))
    folded = fold_batch_norm(model)
    assert norms(folded) == 0
    assert_same(folded, model)


def test_layers_that_learned_from_data():
    known = layers.Normalization()
    known.adapt(RANDOM.normal(5, 3, size=(20, 6, 6, 4)))
    model = chain(known, layers.Conv2D(3, 3), NORM())
    assert_same(fold_batch_norm(model), model)


def test_functions_of_python():
    model = chain(layers.Lambda(lambda x: 2 * x), layers.Conv2D(3, 3), NORM())
    folded = fold_batch_norm(model)
    assert_same(folded, model)
    assert len(model.layers[1]._inbound_nodes) == 1
    inputs = keras.Input((6, 6, 4))
    clipped = keras.ops.clip(NORM()(layers.Conv2D(3, 3)(inputs)), 0, np.float32(1))
    model = learned(keras.Model(inputs, clipped))
    assert_same(fold_batch_norm(model), model)


def test_names_that_meet():
    parts = [layers.Conv2D(3, 3, name="conv"), NORM(name="norm")]
    stem = keras.Sequential([layers.Input((8, 8, 4)), *parts], name="stem")
    more = [layers.Conv2D(2, 3, name="stem_conv"), NORM(name="stem_norm"), layers.ReLU()]
    model = chain(stem, *more, shape=(8, 8, 4))
    assert_same(fold_batch_norm(model), model)


def test_two_memory_efficient_networks():
    inputs = keras.Input((8, 8, 3))
    one, other = (
        MEMBERS["densenet_efficient"](input_shape=(8, 8, 3), name=name) for name in ("one", "other")
    )
    model = learned(keras.Model(inputs, layers.Add()([one(inputs), other(inputs), one(inputs)])))
    assert_same(fold_batch_norm(model), model)


def test_layers_with_weights_besides_stay():
    dense = layers.Dense(4)
    model = chain(layers.Flatten(), dense, NORM())
    dense.enable_lora(2)
    assert norms(fold_batch_norm(model)) == 1


def test_whole_numbers_are_normalised():
    inputs = keras.Input((6, 6, 4), dtype="uint8")
    model = learned(keras.Model(inputs, layers.Conv2D(2, 3)(NORM()(inputs))))
    assert fold_batch_norm(model) is model


class Halved(keras.Model):
    """A functional model that does something else."""

    def call(self, x, training=None):
        return super().call(x / 2, training=training)


def test_a_call_of_ones_own_is_not_taken_apart():
    inputs = keras.Input((6, 6, 4))
    inner = Halved(inputs, NORM()(layers.Conv2D(3, 3)(inputs)))
    with pytest.raises(TypeError, match="no graph"):
        fold_batch_norm(inner)
    around = learned(keras.Model(inputs, NORM()(layers.Conv2D(3, 3)(inner(inputs)))))
    folded = fold_batch_norm(around)
    assert (norms(around), norms(folded)) == (2, 1)
    assert_same(folded, around)
