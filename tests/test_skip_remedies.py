"""The remedy of a vanishing signal names `add_skips` where that is known to cure."""

import keras
import numpy as np
import pytest
from made_runs import classifier, flat, run_of
from skip_networks import DRAWN

import keraskip
from keraskip import GradientRecorder, load_run
from keraskip.analysis.causes import diagnose
from keraskip.models.room import room_for_skips

FALL = np.tile(np.repeat(10.0 ** -np.arange(7, -1, -1), 2), (300, 1))
NAMES = ["dense", *(f"dense_{number}" for number in range(1, 8))]
PLAIN, LEARNED = "keraskip.add_skips(model)", 'keraskip.add_skips(model, scale="learned")'
ROOM = {"possible": 3, "around": 6, "hidden": 7}


def remedy(activation, room=ROOM, kinds="Dense", extra=(), size=4.0, signal=FALL, rate=0.1):
    """Of a network of eight layers in which the signal vanishes, or does something else."""
    info = classifier(
        outputs=[{"layer": NAMES[-1], "units": 10, "activation": "softmax"}],
        calls=[*NAMES, *extra],
        kinds=[kinds] * len(NAMES) + list(extra),
        activations=[activation] * (len(NAMES) - 1) + ["softmax"] + [None] * len(extra),
        skips=room,
    )
    info["training"] |= {"optimizer": {"class": "SGD", "learning_rate": rate}}
    # Kernels of 8 x 8 with a norm of 4 have the size that He et al. 2015b ask for.
    run = run_of(flat(), layers=len(NAMES), info=info, grad_norm=signal, weight_norm=size)
    found = diagnose(run)[0]
    assert found.kind == ("vanishing" if signal is FALL else "exploding")
    assert "BatchNormalization" in found.remedy
    return found.remedy


def test_centred_activations_get_plain_skips_and_growing_ones_a_learned_scalar():
    assert remedy("tanh").startswith(f"`model = {PLAIN}`; if that does not help, ")
    assert remedy("tanh", kinds="Conv2D").startswith(f"`model = {PLAIN}`; if that does")
    assert remedy("relu").startswith(f"`model = {LEARNED}`; if that does not help, ")
    assert PLAIN in remedy("relu", extra=["BatchNormalization"])


def test_a_usual_rate_is_asked_for_once():
    """By the skips; what to do if they do not help has the same rate."""
    found = remedy("tanh", rate=30.0)
    assert found.startswith(f"`model = {PLAIN}`, and a usual rate: `optimizer = keras.optimizers.")
    assert found.count("a usual rate") == 1


def test_a_signal_that_grows_behind_normalisations_gets_skips_and_else_normalisation():
    assert "add_skips" not in remedy("relu", signal=FALL[:, ::-1])
    grows = remedy("relu", extra=["BatchNormalization"], signal=FALL[:, ::-1])
    assert grows.startswith(f"`model = {PLAIN}`; if that does not help, ")


@pytest.mark.parametrize(
    "case",
    [
        {"activation": "sigmoid"},
        {"activation": "exponential"},
        {"activation": "tanh", "kinds": "MyLayer"},
        {"activation": "relu", "kinds": "Conv2D"},
        {"activation": "tanh", "kinds": "Conv2D", "size": 1.0},
        {"activation": "tanh", "room": {"possible": 0, "around": 0, "hidden": 7}},
        {"activation": "tanh", "room": {"possible": 1, "around": 2, "hidden": 7}},
        {"activation": "tanh", "room": None},
    ],
)
def test_nothing_is_promised_where_skips_are_not_known_to_cure(case):
    assert "add_skips" not in remedy(**case)


def test_an_older_run_gets_the_remedy_without_facts():
    run = run_of(flat(), layers=8, info=classifier(), grad_norm=FALL)
    assert "add_skips" not in diagnose(run)[0].remedy


@pytest.mark.parametrize("name", ["mlp", "vgg", "residual_below", "zero_channels"])
def test_the_room_is_what_add_skips_finds(name, capsys):
    model = DRAWN[name].plain()
    room = room_for_skips(model)
    if not room["possible"]:
        with pytest.raises(ValueError, match="add_skips needs"):
            keraskip.add_skips(model)
        return
    twin = keraskip.add_skips(model)
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.endswith(" identity") for line in lines) == room["possible"]
    left = room_for_skips(twin)
    assert left == {**room, "possible": 0, "around": 0}


def test_a_network_that_add_skips_refuses_has_no_room():
    class Subclassed(keras.Model):
        def call(self, x):
            return x

    assert room_for_skips(Subclassed())["possible"] == 0


@pytest.fixture(scope="module")
def before_and_after(tmp_path_factory):
    """The run of twelve small tanh layers, and that of the twin that the remedy makes."""
    folder = tmp_path_factory.mktemp("runs")
    keras.utils.set_random_seed(0)
    small = keras.initializers.RandomNormal(stddev=0.05)
    hidden = [keras.layers.Dense(8, "tanh", kernel_initializer=small) for _ in range(12)]
    model = keras.Sequential([keras.Input((4,)), *hidden, keras.layers.Dense(2, "softmax")])
    # Compiled: 128 steps of 13 layers take TensorFlow longer than two traces.
    model.compile(
        keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    x = np.random.default_rng(0).normal(size=(128, 4))
    y = (x[:, 0] > 0).astype(int)
    names = {"model": model, "keraskip": keraskip}
    for name in ("plain", "cured"):
        recorder = GradientRecorder(folder / name, verbose=0)
        names["model"].fit(x, y, batch_size=8, epochs=8, verbose=0, callbacks=[recorder])
        if name == "plain":
            exec(f"model = {PLAIN}", names)
    return folder


@pytest.mark.slow
def test_a_network_of_small_tanh_layers_is_told_and_cured(before_and_after):
    run = load_run(before_and_after / "plain")
    assert run.info["skips"] == {"possible": 5, "around": 10, "hidden": 12}
    assert run.info["kinds"].count("Dense") == 13
    assert f"`model = {PLAIN}`" in diagnose(run)[0].remedy
    assert load_run(before_and_after / "cured").epochs["accuracy"].iloc[-1] > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("names", [("plain", "cured"), ("cured", "plain")])
def test_the_two_are_compared_as_twins(before_and_after, names, tmp_path):
    comparison = keraskip.compare(*(before_and_after / name for name in names))
    (effect,) = comparison.effects
    assert (effect.reference.name, effect.other.name) == ("plain", "cured")
    assert effect.orders.low > 2
    assert effect.gap.value < -0.3
    (sentence,) = comparison.about_effects
    assert sentence.startswith("cured against plain: ")
    assert "more of the signal arrives at the first layer; it learns, and the other" in sentence
    assert "points lower" in sentence
    for suffix in (".md", ".html", ".json"):
        assert "points lower" in comparison.save(tmp_path / f"r{suffix}").read_text("utf-8")
