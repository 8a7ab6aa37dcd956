"""A network recorded before and after `add_skips` is known as a pair, whatever the kind of skip."""

import keras
import numpy as np
import pytest
from keras import layers
from members import quick
from uncompiled import UNCOMPILED

import keraskip
from keraskip import GradientRecorder, load_run
from keraskip.analysis.twins import is_twin

X = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
Y = (X[:, 0] > 0).astype(int)
KINDS = [{"scale": "learned"}, {"scale": 0.5}, {"how": "concatenate"}]


def mlp(activation="tanh", units=(8, 8, 8, 8)):
    hidden = [layers.Dense(count, activation) for count in units]
    return keras.Sequential([keras.Input((4,)), *hidden, layers.Dense(2, "softmax")])


def by_hand():
    x = inputs = keras.Input((4,))
    for number in range(4):
        before, x = x, layers.Dense(8, "tanh")(x)
        x = before + x if number == 2 else x
    return keras.Model(inputs, layers.Dense(2, "softmax")(x))


def nested():
    encoder = mlp()
    return keras.Sequential([keras.Input((4,)), encoder, layers.Dense(2, "softmax")])


def normalized():
    x = inputs = keras.Input((4,))
    for units in (8, 8, 8, 12, 12):
        x = layers.Activation("relu")(layers.BatchNormalization()(layers.Dense(units)(x)))
    return keras.Model(inputs, layers.Dense(2, "softmax")(x))


def subclassed():
    class Mine(keras.Model):
        def __init__(self):
            super().__init__()
            self.net = mlp()

        def call(self, x):
            return self.net(x)

    return Mine()


@pytest.fixture(scope="module")
def plain_mlp(tmp_path_factory):
    return recorded(mlp(), tmp_path_factory.mktemp("plain"))


def recorded(model, path, rate=0.1):
    model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy", **UNCOMPILED)
    model.fit(X, Y, verbose=0, callbacks=[GradientRecorder(path, verbose=0)])
    return load_run(path)


@pytest.mark.parametrize("options", quick([KINDS[0], KINDS[2]], [{}, *KINDS]))
def test_a_twin_of_each_kind_is_known(options, tmp_path, plain_mlp):
    twin = keraskip.add_skips(mlp(), verbose=False, **options)
    assert_known(recorded(twin, tmp_path), plain_mlp)


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (normalized, {"project": True}),
        pytest.param(normalized, {"preact": True}, marks=pytest.mark.slow),
        pytest.param(normalized, {"how": "concatenate"}, marks=pytest.mark.slow),
        pytest.param(nested, {}, marks=pytest.mark.slow),
    ],
)
def test_a_twin_is_known(make, options, tmp_path):
    model = make()
    twin = recorded(keraskip.add_skips(model, verbose=False, **options), tmp_path / "twin")
    assert_known(twin, recorded(model, tmp_path / "plain"))


def assert_known(twin, plain):
    assert is_twin(twin, plain)
    assert not is_twin(plain, twin)
    assert not is_twin(plain, plain)


def test_a_twin_drawn_by_hand_and_numbered_on_is_known(tmp_path, plain_mlp):
    assert is_twin(recorded(by_hand(), tmp_path), plain_mlp)


@pytest.mark.slow
def test_what_differs_in_more_is_no_twin(tmp_path):
    twin = recorded(keraskip.add_skips(mlp(), verbose=False), tmp_path / "twin")
    for number, model in enumerate([mlp("relu"), mlp(units=(8, 8, 8)), mlp(units=(8, 8, 8, 9))]):
        assert not is_twin(twin, recorded(model, tmp_path / str(number)))
    assert not is_twin(twin, recorded(mlp(), tmp_path / "quick", rate=0.5))
    assert not is_twin(twin, recorded(subclassed(), tmp_path / "subclassed"))
    assert is_twin(twin, recorded(mlp(), tmp_path / "plain"))
