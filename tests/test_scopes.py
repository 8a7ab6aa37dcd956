"""Names of models and layers that TensorFlow refuses: the recorder says so before Keras fails."""

import keras
import numpy as np
import pytest
from keras import layers
from nasty import NAMES
from quiet import GradientRecorder

import keraskip
from keraskip.models.scopes import check_scopes

IS_TENSORFLOW = keras.backend.backend() == "tensorflow"
X, Y = np.zeros((8, 4), "float32"), np.zeros((8, 4), "float32")
# Keras refuses slashes, and TensorFlow halves of characters when the layer is made.
ODD = [each for each in NAMES.values() if not {*each} & {*"/\ud800\udcff"}][::5]


def network(name="mine", layer="hidden", nested="inner", **options):
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4, name=layer)], name=nested)
    model = keras.Sequential([keras.Input((4,), name="my images"), inner], name=name)
    model.compile("sgd", "mse", **options)
    return model


def trains(model, callbacks=()):
    """Whether Keras trains the model; it leaves the scopes that TensorFlow refuses open."""
    try:
        model.fit(X, Y, verbose=0, callbacks=[*callbacks])
    except ValueError:
        return False
    finally:
        keras.src.backend.common.global_state.set_global_attribute("name_scope_stack", [])
    return True


@pytest.mark.skipif(not IS_TENSORFLOW, reason="a rule of TensorFlow")
@pytest.mark.parametrize("kind", ["name", "layer", "nested"])
@pytest.mark.parametrize("name", ["my model", "_x", "-x", ".x", "a.b>c-d_e", "ä", "a:b"])
def test_what_is_refused_is_what_tensorflow_refuses(kind, name):
    model = network(**{kind: name})
    try:
        check_scopes(model)
        is_right = True
    except ValueError:
        is_right = False
    assert trains(model) == is_right


@pytest.mark.skipif(not IS_TENSORFLOW, reason="a rule of TensorFlow")
def test_the_recorder_refuses_before_keras_fails_and_leaves_no_scope(tmp_path):
    for number, name in enumerate(ODD):
        with pytest.raises(
            ValueError, match=r"On TensorFlow .* `name=`.*Received: layer"
        ) as caught:
            network(layer=f" {name}").fit(
                X, Y, verbose=0, callbacks=[GradientRecorder(tmp_path / str(number))]
            )
        assert str(caught.value).isprintable()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match=r"model 'my model' \(nearest: 'my_model'\)"):
        network("my model").fit(X, Y, verbose=0, callbacks=[GradientRecorder(tmp_path / "model")])
    with pytest.raises(ValueError, match=r"layer 'my layer' \(nearest: 'my_layer'\)"):
        keraskip.add_skips(network(layer="my layer"), verbose=False)
    # The process goes on as if nothing had been.
    model = network()
    model.fit(X, Y, verbose=0, callbacks=[GradientRecorder(tmp_path / "run")])
    paths = keraskip.load_run(tmp_path / "run").weights["path"].tolist()
    assert all(path.startswith(("inner/hidden/", "hidden/", "mine/")) for path in paths)


def test_names_that_no_compiled_step_uses_are_recorded(tmp_path):
    class OwnStep(keras.Model):
        """Its training step calls the layer alone, and no scope of its name is opened."""

        def __init__(self):
            super().__init__(name="my model")
            self.inner = layers.Dense(4, name="hidden")

        def call(self, x):
            return self.inner(x)

        def train_step(self, *arguments):
            return super().train_step(*arguments)

    check_scopes(OwnStep())
    model = network("my model", "my layer", run_eagerly=True)
    model.fit(X, Y, verbose=0, callbacks=[GradientRecorder(tmp_path / "run")])
    assert keraskip.load_run(tmp_path / "run").weights["layer"].str.endswith("my layer").all()


@pytest.mark.skipif(not IS_TENSORFLOW, reason="a rule of TensorFlow")
def test_names_that_no_function_uses_as_all_run_eagerly_are_not_refused():
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    try:
        model = network("my model", "my layer")
        check_scopes(model)
        model.train_on_batch(X, Y)
    finally:
        tf.config.run_functions_eagerly(False)
