"""What the probe sees, against what is known, and that it leaves no trace."""

from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest
from keras import layers
from quiet import GradientRecorder
from uncompiled import UNCOMPILED

from keraskip import build_plain, build_resnet, load_run
from keraskip.callbacks.hook.arguments import made_probe

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.normal(size=(16, 8, 8, 3)).astype("float32")
LABELS = RANDOM.integers(0, 10, 16)


def probed(folder, model, x=IMAGES, y=LABELS, probe=True, epochs=1):
    recorder = GradientRecorder(folder, probe=(x, y) if probe else None)
    model.fit(x, y, batch_size=8, epochs=epochs, shuffle=False, verbose=0, callbacks=[recorder])
    return load_run(folder)


def looked_at(model):
    """What a probe sees, without a training."""
    probe = made_probe((IMAGES, LABELS))
    probe.check(model)
    return SimpleNamespace(probes=pd.DataFrame(probe.look(model)).assign(epoch=0))


def values(run, probe, epoch=0):
    rows = run.probes[(run.probes["probe"] == probe) & (run.probes["epoch"] == epoch)]
    return dict(zip(rows["layer"], rows["value"], strict=True))


def compiled(model, loss="sparse_categorical_crossentropy"):
    # A rate of zero: what is probed is what was built. The probe has passes of its own, for which
    # the training need not be compiled.
    model.compile(keras.optimizers.SGD(0.0), loss, **UNCOMPILED)
    return model


def test_signal_of_a_linear_network_is_the_formula(tmp_path):
    keras.utils.set_random_seed(0)
    x, y = RANDOM.normal(size=(2, 16, 4)).astype("float32")
    stack = [layers.Input((4,)), layers.Dense(5, name="first"), layers.Dense(4, name="last")]
    model = keras.Sequential([*stack, layers.Dense(4, name="out", use_bias=False)])
    run = probed(tmp_path, compiled(model, "mse"), x, y)
    error = 2 * (model.predict(x, verbose=0) - y) / y.size
    out, last = (model.get_layer(name).get_weights()[0] for name in ("out", "last"))
    expected = {
        "last": np.linalg.norm(error @ out.T),
        "first": np.linalg.norm(error @ out.T @ last.T),
    }
    assert values(run, "signal") == pytest.approx(expected, rel=1e-4)
    assert run.probes.query("layer == 'last'")["depth"].tolist() == [2]


def test_a_penalty_on_weights_leaves_the_signal_alone():
    def signal(penalty):
        keras.utils.set_random_seed(0)
        kernel = {"kernel_regularizer": penalty, "name": "hidden"}
        stack = [layers.Input((8, 8, 3)), layers.Flatten(), layers.Dense(6, **kernel)]
        model = keras.Sequential([*stack, layers.Dense(10, "softmax", name="out")])
        return values(looked_at(compiled(model)), "signal")

    assert signal("l2") == signal(None) != {}


def resnet(**arguments):
    keras.utils.set_random_seed(0)
    return build_resnet(stage_blocks=(1, 1), filters=(8, 16), input_shape=(8, 8, 3), **arguments)


def test_branches_that_start_at_zero():
    shares = values(looked_at(compiled(resnet(zero_init_residual=True))), "branch_share")
    assert len(shares) == 2
    assert set(shares.values()) == {0.0}


def test_branches_and_signal_of_a_resnet(tmp_path):
    run = probed(tmp_path, compiled(resnet()))
    # Normalised branches, on shortcuts of about the same size.
    assert all(0.2 < share < 5 for share in values(run, "branch_share").values())
    signal = values(run, "signal")
    assert [name for name in signal if name.endswith("_add")] == list(values(run, "branch_share"))
    assert all(value > 0 for value in signal.values())


def test_dead_units_are_counted():
    model = resnet()
    norm = model.get_layer("stage1_block1_norm1")
    gamma, beta, *moments = norm.get_weights()
    beta[:2] = -100
    norm.set_weights([gamma, beta, *moments])
    dead = values(looked_at(compiled(model)), "dead")
    assert dead["stage1_block1_act1"] == 2 / 8
    assert dead["stem_act"] == 0


@pytest.mark.slow
def test_deep_plain_networks_shatter(tmp_path):
    # Balduzzi et al. 2017, section 2: correlation is lost with depth, and skips keep it.
    found = {}
    for build in build_plain, build_resnet:
        keras.utils.set_random_seed(0)
        model = compiled(build(20, input_shape=(8, 8, 3)))
        run = probed(tmp_path / build.__name__, model)
        (found[build],) = values(run, "shattering").values()
    assert found[build_plain] < found[build_resnet] < 1


def test_nothing_changes(tmp_path):
    weights = []
    for probe in False, True:
        keras.utils.set_random_seed(0)
        stack = [layers.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.BatchNormalization()]
        model = keras.Sequential([*stack, layers.Flatten(), layers.Dense(10, "softmax")])
        model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", **UNCOMPILED)
        run = probed(tmp_path / str(probe), model, probe=probe, epochs=2)
        weights.append(model.get_weights())
    for ours, theirs in zip(*weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    assert set(run.probes["epoch"]) == {0, 1}
    assert load_run(tmp_path / "False").probes.empty


def test_a_network_that_gives_no_gradient(tmp_path):
    stack = [layers.Input((8, 8, 3)), layers.Flatten(), layers.Dense(4, "relu", name="dead")]
    model = keras.Sequential([*stack, layers.Dense(10, "softmax", name="last")])
    weights, _ = model.get_layer("dead").get_weights()
    model.get_layer("dead").set_weights([weights, np.full(4, -1000.0)])
    run = probed(tmp_path, compiled(model))
    assert values(run, "dead") == {"dead": 1}
    assert np.isnan(list(values(run, "shattering").values())).all()


def test_half_precision_does_not_lose_the_signal():
    signals = {}
    for policy in "float32", "mixed_float16":
        keras.config.set_dtype_policy(policy)
        try:
            signals[policy] = values(looked_at(compiled(resnet())), "signal")
        finally:
            keras.config.set_dtype_policy("float32")
    for layer, signal in signals["float32"].items():
        assert signals["mixed_float16"][layer] == pytest.approx(signal, rel=0.1)


@pytest.mark.parametrize("probe", [IMAGES, (IMAGES, LABELS[:3]), (IMAGES,)], ids=len)
def test_a_batch_that_is_none(tmp_path, probe):
    with pytest.raises(ValueError, match="as many samples as labels"):
        GradientRecorder(tmp_path, probe=probe)


def test_images_of_bytes(tmp_path):
    images = RANDOM.integers(0, 256, IMAGES.shape).astype("uint8")
    keras.utils.set_random_seed(0)
    stack = [layers.Input((8, 8, 3)), layers.Rescaling(1 / 255), layers.Flatten()]
    model = keras.Sequential([*stack, layers.Dense(10, "softmax", name="last")])
    run = probed(tmp_path, compiled(model), images)
    assert 0.9 < next(iter(values(run, "shattering").values())) <= 1


def test_a_model_without_a_graph(tmp_path):
    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(10)

        def call(self, x):
            return self.dense(x[:, 0, 0])

    with pytest.raises(TypeError, match="functional"):
        probed(tmp_path, compiled(Subclassed()))
