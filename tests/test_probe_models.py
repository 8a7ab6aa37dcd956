"""The probe in models with several inputs and outputs, tokens, nested models and shared layers."""

import keras
import numpy as np
import pytest
from keras import layers
from quiet import GradientRecorder

from keraskip import load_run
from keraskip.callbacks.hook.arguments import made_probe

RANDOM = np.random.default_rng(0)
X, OTHER = RANDOM.normal(size=(2, 16, 4)).astype("float32")
Y = RANDOM.normal(size=(16, 3)).astype("float32")


def compiled(model, loss="mse", **arguments):
    model.compile(keras.optimizers.SGD(0.0), loss, **arguments)
    return model


def look(model, x, y):
    probe = made_probe((x, y))
    probe.check(model)
    return probe.look(model)


def values(rows, probe="signal"):
    return {row["layer"]: row["value"] for row in rows if row["probe"] == probe}


def kernel(model, layer):
    return model.get_layer(layer).get_weights()[0]


def error(model, x, y):
    """The gradient of the mean squared error with respect to the output."""
    return 2 * (keras.ops.convert_to_numpy(model(x)) - y) / y.size


def siamese(encode):
    """Two inputs through one encoder, side by side, to a linear output."""
    inputs = [layers.Input((4,), name=name) for name in ("left", "right")]
    pair = layers.Concatenate(name="pair")([encode(each) for each in inputs])
    out = layers.Dense(3, use_bias=False, name="out")(pair)
    return compiled(keras.Model(inputs, out))


def test_a_layer_that_is_called_twice_has_a_row_for_each_call():
    model, x = siamese(layers.Dense(5, name="shared")), [X, OTHER]
    rows = look(model, x, Y)
    gradient = error(model, x, Y) @ kernel(model, "out").T
    expected = {
        "shared": np.linalg.norm(gradient[:, :5]),
        "shared (2)": np.linalg.norm(gradient[:, 5:]),
        "pair": np.linalg.norm(gradient),
    }
    assert values(rows) == pytest.approx(expected, rel=1e-4)
    assert [row["depth"] for row in rows if row["probe"] == "signal"] == [1, 1, 1]
    # A linear model has the same gradient everywhere, up to the error.
    assert values(rows, "shattering") == pytest.approx({"left": 1, "right": 1}, abs=0.01)


def test_a_nested_model_that_is_called_twice():
    first, second = layers.Dense(6, name="first"), layers.Dense(5, name="second")
    tower = keras.Sequential([layers.Input((4,)), first, second], name="tower")
    model = siamese(tower)
    # By their names, as Keras takes them, in another order and with one too many.
    rows = look(model, {"right": OTHER, "left": X, "more": X}, Y)
    gradient = error(model, [X, OTHER], Y) @ kernel(model, "out").T
    expected = {
        "tower/first": np.linalg.norm(gradient[:, :5] @ kernel(tower, "second").T),
        "tower/second": np.linalg.norm(gradient[:, :5]),
        "tower/first (2)": np.linalg.norm(gradient[:, 5:] @ kernel(tower, "second").T),
        "tower/second (2)": np.linalg.norm(gradient[:, 5:]),
        "pair": np.linalg.norm(gradient),
    }
    assert values(rows) == pytest.approx(expected, rel=1e-4)
    depths = {row["layer"]: row["depth"] for row in rows if row["probe"] == "signal"}
    assert list(depths.values()) == [1, 2, 1, 2, 2]


def test_several_outputs_with_weights_of_their_losses():
    start = layers.Input((4,), name="start")
    trunk = layers.Dense(5, name="trunk")(start)
    outputs = {
        name: layers.Dense(3, use_bias=False, name=name)(trunk) for name in ("policy", "worth")
    }
    model = keras.Model({"start": start}, outputs)
    compiled(model, dict.fromkeys(outputs, "mse"), loss_weights={"policy": 1.0, "worth": 0.5})
    rows = look(model, {"start": X}, {"policy": Y, "worth": -Y})
    found = keras.tree.map_structure(keras.ops.convert_to_numpy, model({"start": X}))
    errors = {"policy": found["policy"] - Y, "worth": 0.5 * (found["worth"] + Y)}
    expected = sum(2 * errors[name] / Y.size @ kernel(model, name).T for name in outputs)
    assert values(rows) == pytest.approx({"trunk": np.linalg.norm(expected)}, rel=1e-4)


def test_tokens():
    tokens = RANDOM.integers(1, 9, (16, 6))
    stack = [layers.Embedding(9, 4, name="words"), layers.GlobalAveragePooling1D(name="mean")]
    stack += [layers.Dense(5, name="hidden"), layers.Dense(3, use_bias=False, name="out")]
    model = compiled(keras.Sequential([layers.Input((6,), dtype="int32"), *stack]))
    rows = look(model, tokens, Y)
    expected = np.linalg.norm(error(model, tokens, Y) @ kernel(model, "out").T)
    assert values(rows) == pytest.approx({"hidden": expected}, rel=1e-4)
    # There is no sample near to a token.
    assert values(rows, "shattering") == {}


def test_a_mask_is_no_path_and_survives_the_probe():
    """The loss counts the steps that are not masked; a probe that lost the mask would see all."""
    tokens = RANDOM.integers(1, 9, (16, 6))
    tokens[:, 4:] = 0
    targets = RANDOM.normal(size=(16, 6, 3)).astype("float32")
    stack = [layers.Embedding(9, 4, mask_zero=True, name="words"), layers.Dense(5, name="hidden")]
    stack += [layers.BatchNormalization(name="norm"), layers.Dense(3, use_bias=False, name="out")]
    tower = keras.Sequential([layers.Input((None,), dtype="int32"), *stack], name="tower")
    inputs = layers.Input((6,), dtype="int32")
    model = compiled(keras.Model(inputs, tower(inputs)))
    # `norm` has no kernel, and its mask is no second path.
    assert list(values(look(model, tokens, targets))) == ["tower/hidden"]
    hidden = values(look(model, tokens, targets))["tower/hidden"]
    targets[:, 4:] = 1e6
    assert values(look(model, tokens, targets))["tower/hidden"] == pytest.approx(hidden, rel=1e-4)


def test_losses_of_layers_count_once_for_each_call():
    first = layers.Dense(6, name="first")
    held = layers.Dense(5, name="held", activity_regularizer=keras.regularizers.L2(0.5))
    model, x = siamese(lambda side: held(first(side))), [X, OTHER]
    signal, gradient = values(look(model, x, Y)), error(model, x, Y) @ kernel(model, "out").T
    expected = []
    for side, part in (X, gradient[:, :5]), (OTHER, gradient[:, 5:]):
        # Keras takes the mean of such a loss over the batch.
        activity = keras.ops.convert_to_numpy(held(first(side))) / len(side)
        expected.append(np.linalg.norm((part + activity) @ kernel(model, "held").T))
    # The graph may list two calls side by side in either order.
    found = [signal["first"], signal["first (2)"]]
    assert sorted(found) == pytest.approx(sorted(expected), rel=1e-4)


def test_a_layer_with_several_outputs():
    start = layers.Input((6, 4))
    _, hidden, cell = layers.LSTM(5, return_state=True, name="both")(start)
    sides = layers.Concatenate(name="pair")([hidden, cell])
    model = compiled(keras.Model(start, layers.Dense(3, use_bias=False, name="out")(sides)))
    x = RANDOM.normal(size=(16, 6, 4)).astype("float32")
    expected = np.linalg.norm(error(model, x, Y) @ kernel(model, "out").T)
    assert values(look(model, x, Y)) == pytest.approx({"both": expected, "pair": expected})


def test_a_model_whose_layers_were_called_before(tmp_path):
    """Each `add` to a Sequential model with an Input calls its layers anew."""
    model = keras.Sequential()
    for layer in [layers.Input((4,)), layers.Dense(4, name="first"), layers.Dense(3, name="out")]:
        model.add(layer)
    compiled(model).fit(X, Y, verbose=0, callbacks=[GradientRecorder(tmp_path, probe=(X, Y))])
    probes = load_run(tmp_path).probes
    assert probes["layer"].tolist()[:1] == ["first"]
    expected = np.linalg.norm(error(model, X, Y) @ kernel(model, "out").T)
    assert probes["value"][0] == pytest.approx(expected, rel=1e-4)


def test_too_few_inputs():
    with pytest.raises(ValueError, match="one array for each input"):
        look(siamese(layers.Dense(5)), X, Y)


@pytest.mark.parametrize(
    "batch",
    [({"a": X, "b": X[:3]}, Y), ([X, X], [Y, Y[:3]]), (X, 3.0), (X, None)],
    ids=["dict", "list", "number", "none"],
)
def test_batches_of_different_lengths(batch):
    with pytest.raises(ValueError, match="as many samples as labels"):
        made_probe(batch)


def test_lists_of_numbers_are_one_array():
    model = compiled(keras.Sequential([layers.Input((4,)), layers.Dense(5), layers.Dense(3)]))
    assert values(look(model, X.tolist(), Y.tolist())) == values(look(model, X, Y))
