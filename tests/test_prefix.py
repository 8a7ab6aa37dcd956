"""Two networks in one graph, told apart by the text in front of their layers' names."""

import keras
import numpy as np
import pytest
from members import FAMILIES, MEMBERS, quick
from test_builders import IMAGES, SMALL, predict, randomize

from keraskip import anatomy, features, load_model


@pytest.mark.parametrize("name", quick(["densenet_efficient"], MEMBERS))
def test_every_layer_has_the_prefix_and_nothing_else_is_different(name):
    plain, prefixed = MEMBERS[name](**SMALL), MEMBERS[name](**SMALL, prefix="left_")
    assert [layer.name for layer in prefixed.layers] == [f"left_{x.name}" for x in plain.layers]
    assert prefixed.name == plain.name
    prefixed.set_weights(randomize(plain).get_weights())
    np.testing.assert_array_equal(predict(prefixed), predict(plain))
    table = anatomy(plain).frame.assign(layer="left_" + anatomy(plain).frame["layer"])
    assert anatomy(prefixed).frame.equals(table)
    ends = [output.shape for output in features(plain).outputs]
    assert [output.shape for output in features(prefixed).outputs] == ends


@pytest.mark.parametrize("name", quick(["plain"], FAMILIES))
def test_two_networks_stand_in_one_graph(name, tmp_path):
    left, right = (FAMILIES[name](**SMALL, prefix=side) for side in ("left_", "right_"))
    both = keras.Model(
        [left.input, right.input], keras.layers.Concatenate()([left.output, right.output])
    )
    randomize(both)
    expected = np.concatenate([predict(left), predict(right, IMAGES + 1)], axis=1)
    both.save(tmp_path / "both.keras")
    loaded = load_model(tmp_path / "both.keras")
    for model in both, loaded:
        answers = keras.ops.convert_to_numpy(model([IMAGES, IMAGES + 1], training=False))
        np.testing.assert_allclose(answers, expected, rtol=1e-6)


def test_two_networks_see_the_same_images():
    images = keras.Input((16, 16, 3))
    first = FAMILIES["plain"](input_tensor=images)
    second = FAMILIES["resnet"](input_tensor=images, prefix="2_")
    both = keras.Model(images, [first.output, second.output])
    stages = anatomy(both).frame.set_index("layer")["stage"].fillna(-1)
    for layer in first.layers[1:]:
        assert stages[layer.name] == stages[f"2_{layer.name}"]


def test_a_seeded_initializer_gives_each_network_other_weights():
    same = {**SMALL, "kernel_initializer": keras.initializers.HeNormal(seed=1)}
    plain, left = (FAMILIES["plain"](**same, prefix=prefix) for prefix in ("", "left_"))
    assert (plain.get_weights()[0] != left.get_weights()[0]).any()
