"""The layers before each weight, and the positions over which its gradient is a sum."""

import keras
from keras import layers
from test_graph import chain, dense, residual, siamese, towers, vector

from keraskip.graph import weight_places


def ways_of(model):
    """The way to each weight, by the last two names of its path."""
    ways = weight_places(model).ways
    return {
        "/".join(variable.path.split("/")[-2:]): ways[id(variable)]
        for variable in model.trainable_variables
    }


def after(model):
    """The names of the layers before each layer."""
    return {
        path.split("/")[0]: {name.split("/")[-1] for name in way.after}
        for path, way in ways_of(model).items()
    }


def test_a_normalisation_is_on_the_way():
    assert after(chain()) == {"a": set(), "n": {"a"}, "b": {"n"}}


def test_behind_an_addition_the_nearer_layers_hide_those_before_them():
    """The stem lies before both ends of the block, so the head is behind the two ends alone."""
    assert after(residual())["head"] == {"shortcut", "end"}
    x = vector()
    y = dense("first")(x)
    model = keras.Model(x, dense("last")(y + dense("branch")(y)))
    assert after(model) == {"first": set(), "branch": {"first"}, "last": {"branch"}}


def test_towers_lie_side_by_side():
    found = after(towers())
    assert found["r1"] == set()
    assert found["head"] == {"l3", "r1"}


def test_a_shared_network_sums_over_its_calls():
    model = siamese()
    assert after(model) == {"e1": set(), "e2": {"e1"}, "head": {"e2"}}
    assert ways_of(model)["e1/kernel"].positions == 2
    assert ways_of(model)["head/bias"].positions == 1


def test_positions_are_those_of_the_output():
    x = keras.Input((8, 8, 3))
    y = layers.Conv2D(4, 3, strides=2, padding="same", name="down")(x)
    y = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="each")(y)
    y = layers.BatchNormalization(name="norm")(y)
    y = layers.Conv2DTranspose(2, 4, strides=4, padding="same", name="up")(y)
    found = ways_of(keras.Model(x, dense("head")(layers.Flatten()(y))))
    positions = {path: way.positions for path, way in found.items()}
    assert positions == {
        "down/kernel": 16,
        "down/bias": 16,
        "each/kernel": 16,
        "norm/gamma": 16,
        "norm/beta": 16,
        "up/kernel": 256,
        "up/bias": 256,
        "head/kernel": 1,
        "head/bias": 1,
    }


def test_inside_of_attention_the_order_is_known_and_keras_leaves_the_positions_open():
    x = keras.Input((5, 8))
    y = layers.MultiHeadAttention(2, 4, name="attention")(x, x)
    found = ways_of(keras.Model(x, dense("head")(y)))
    ends = {path.split("/")[0]: way.after for path, way in found.items()}
    assert {name.split("/")[-1] for name in ends["attention_output"]} == {"query", "key", "value"}
    assert {name.split("/")[-1] for name in ends["head"]} == {"attention_output"}
    assert found["attention_output/bias"].positions is None
    assert found["head/bias"].positions == 5


def test_a_recurrent_layer_and_a_sequence_of_any_length_have_unknown_positions():
    x = keras.Input((None, 8))
    y = layers.LSTM(4, name="lstm")(dense("first")(x))
    found = ways_of(keras.Model(x, dense("head")(y)))
    assert found["first/kernel"].positions is None
    assert found["lstm_cell/bias"].positions is None
    assert found["head/kernel"].positions == 1
