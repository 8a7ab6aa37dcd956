"""The battery of `tests/benchmarks/diagnoses.py`: its tables are whole, its figures are right."""

import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from first_weights import drawn_by_numpy
from made_runs import chain, made_run
from recipes import Recipe
from remedies import cured
from trainings import learned_share

from keraskip.analysis.causes import CAUSES, LAST_RESORTS
from keraskip.analysis.finding import Finding

sys.path.append(str(Path(__file__).parent / "benchmarks"))

import battery_backends
from added_networks import NETWORKS as ADDED
from baselines import autotrainer, sagemaker
from battery_layers import DEPTH, SINGLE, START
from battery_scores import tallies, wilson
from battery_settings import DATA, OUTPUTS, RATES
from battery_sound import SOUND
from battery_unusual import UNUSUAL
from drawn_networks import NETWORKS as DRAWN
from drawn_networks import drawn
from late_networks import NETWORKS as LATE
from unseen_networks import NETWORKS as UNSEEN

FAULTY = [*RATES, *OUTPUTS, *DATA, *START, *DEPTH, *SINGLE]
FAMILIES = set(
    "dense conv residual rnn transformer autoencoder unet gan siamese multi transfer".split()
)
# Only these families can have them.
OF_ONE_FAMILY = {"time", "attention without skips"}


def test_the_battery_is_as_large_as_it_says():
    names = [network.name for network in [*FAULTY, *SOUND]]
    assert len(names) == len(set(names)) >= 150
    assert len(SOUND) >= 45
    assert {network.family for network in FAULTY} == FAMILIES
    assert {network.family for network in SOUND} == FAMILIES


def test_each_fault_is_in_three_families():
    families = defaultdict(set)
    for network in FAULTY:
        families[network.fault].add(network.family)
    assert [fault for fault, known in families.items() if len(known) < 3] == [
        fault for fault in families if fault in OF_ONE_FAMILY
    ]


def test_the_unseen_networks_are_others_in_all_families():
    names = {network.name for network in UNSEEN}
    battery = {network.name for network in [*FAULTY, *SOUND, *UNUSUAL, *LATE]}
    assert len(battery) == 285
    assert len(names) == len(UNSEEN) >= len(battery) / 4

    assert not names & battery
    assert {network.family for network in UNSEEN if network.kinds} == FAMILIES
    assert {network.family for network in UNSEEN if not network.kinds} == FAMILIES


def test_the_drawn_networks_are_the_same_in_each_process_and_in_all_families():
    assert drawn() == DRAWN
    assert len({network.name for network in DRAWN}) == len(DRAWN) == 160
    assert {network.family for network in DRAWN if network.fault == "sound"} == FAMILIES
    # The lot falls as it fell when the figures of docs/accuracy.md were measured.
    assert DRAWN[0].name == "drawn rate 0 conv 028"
    assert DRAWN[-1].changes["optimizer"] == "keras.optimizers.SGD(0.025)"


def test_each_kind_is_in_the_battery_and_the_added_ones_in_two_families():
    others = {kind for network in [*FAULTY, *UNUSUAL, *LATE] for kind in network.kinds}
    families = defaultdict(set)
    for network in ADDED:
        for kind in network.kinds:
            families[kind].add(network.family)
    # A network with a known fault has another right answer.
    assert {*CAUSES, *LAST_RESORTS} - others - {*families} == {"unexplained"}
    new = {*families} - others
    assert len(new) == 11
    assert [kind for kind in new if len(families[kind]) < 2] == ["time not seen"]


def test_the_added_networks_have_near_misses_and_names_of_their_own():
    names = [network.name for network in ADDED]
    assert len(set(names)) == len(names) == 74
    assert sum(network.fault == "sound" for network in ADDED) == 25


def identity(units):
    """A model that answers its inputs."""
    eye = keras.initializers.Identity()
    return keras.Sequential(
        [keras.Input((units,)), keras.layers.Dense(units, kernel_initializer=eye)]
    )


@pytest.mark.parametrize(
    ("recipe", "x", "y", "share"),
    [
        # A sample whose label is missing does not count.
        (Recipe(task="regression"), [[0.0], [1], [2], [3]], [[0.0], [1], [np.nan], [3]], 1.0),
        # No answer is better than the best constant one.
        (Recipe(task="regression"), [[2.0], [2]], [[2.0], [2]], 0.0),
        # Classes may be one-hot: one of three is the class of half, and two are right.
        (Recipe(head=(3, "sigmoid")), np.eye(3)[[0, 1, 2, 0]], np.eye(3)[[0, 1, 1, 0]], 0.5),
    ],
    ids=["missing label", "one label", "one-hot"],
)
def test_how_much_was_learned(recipe, x, y, share):
    x, y = np.float32(x), np.float32(y)
    assert learned_share(identity(x.shape[1]), x, y, recipe) == pytest.approx(share)


def test_the_rows_have_values_and_kinds_that_exist():
    for network in [*FAULTY, *SOUND, *UNUSUAL, *LATE, *UNSEEN, *DRAWN, *ADDED]:
        Recipe(**network.changes)
        assert set(network.kinds) <= {*CAUSES, *LAST_RESORTS}, network.name
        assert bool(network.kinds) == (network.fault != "sound"), network.name


def test_the_thirty_are_in_the_battery():
    names = battery_backends.names()
    assert len(names) == len(set(names)) == 30
    thirty = battery_backends.thirty_of([*FAULTY, *SOUND, *LATE])
    assert {network.name for network in thirty} == set(names)
    # The random numbers of training are each backend's own.
    recipes = [Recipe(**network.changes) for network in thirty]
    assert all(r.drawn == 0 and r.dropout == 0 and r.family != "gan" for r in recipes)


def test_first_weights_are_drawn_by_numpy():
    glorot, he = map(keras.initializers.get, ("glorot_uniform", "he_normal"))
    with drawn_by_numpy(3):
        uniform, normal = (keras.ops.convert_to_numpy(each((200, 100))) for each in (glorot, he))
    limit = np.sqrt(6 / 300)
    expected = np.random.default_rng(3).uniform(-limit, limit, (200, 100))
    np.testing.assert_allclose(uniform, expected, rtol=1e-6)
    assert normal.std() == pytest.approx(np.sqrt(2 / 200), rel=0.02)
    # Keras cuts a normal distribution off at twice its deviation, which is .88 of it then.
    assert np.abs(normal).max() == pytest.approx(2 * np.sqrt(2 / 200) / 0.8796, rel=0.01)
    assert (keras.ops.convert_to_numpy(glorot((200, 100))) != uniform).any()


def test_the_interval_is_wilsons():
    # Newcombe 1998, table I: 81 of 263, and 0 of 20.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)


def row(learns, state, found, **more):
    known = {"name": "a", "seed": 0, "expected": ["b"], "layer": None, "curable": True}
    return {**known, "learns": learns, "state": state, "found": found, "blames": [], **more}


def test_what_is_counted():
    rows = [
        row(False, "frozen", ["b"], cured=True),
        row(False, "unknown", [], layer="hidden_1", cured=None),
        row(False, "unknown", ["c", "b"], blames=["hidden_1"], layer="hidden_1", cured=None),
        row(True, "learning", []),
        row(True, "unknown", ["b"]),
    ]
    figures = {name: (tally.right, tally.count) for name, tally in tallies(rows).items()}
    assert figures == {
        "noticed": (2, 3),
        "no false alarm": (1, 2),
        "right kind first": (1, 3),
        "right layer": (1, 2),
        "cured": (1, 3),
    }


@pytest.mark.parametrize(
    ("remedy", "wrong", "right"),
    [
        ("`optimizer = keras.optimizers.SGD(learning_rate=0.1)`", {}, {}),
        ('`keras.layers.Dense(1, "sigmoid")` with `loss="binary_crossentropy"`',
         {"head": (1, "softmax")}, {"head": (1, "sigmoid"), "loss": "binary_crossentropy"}),
        ("an output without activation: `keras.layers.Dense(3)`", {}, {"head": (3, None)}),
        ('`kernel_initializer="glorot_uniform"`, or `"he_normal"` with ReLU',
         {"initializer": "zeros"}, {"initializer": "he_normal"}),
        ('`kernel_initializer="glorot_uniform"`, or `"he_normal"` with ReLU',
         {"initializer": "zeros", "activation": "tanh"}, {"initializer": "glorot_uniform"}),
        ('another initialisation of hidden_2: `kernel_initializer="he_normal"`',
         {"bad_layer": (2, 1e-6)}, {"bad_layer": None}),
        ('another initialisation of hidden_1: `kernel_initializer="he_normal"`',
         {"bad_layer": (2, 1e-6)}, {}),
        ("an identity, `x = x + block(x)`; if that does not help, "
         "`keras.layers.BatchNormalization()` after each", {}, {"skips": True}),
        ('`model = keraskip.add_skips(model, scale="learned")`; if that does not help, '
         '`x = x + block(x)`', {},
         {"model_code": 'model = keraskip.add_skips(model, scale="learned")'}),
        ("a weaker penalty: `kernel_regularizer=keras.regularizers.L2(1e-05)`",
         {"penalty": 1.0}, {"penalty": 1e-5}),
        ("scale them: `x = x / 255`, and `optimizer = keras.optimizers.Adam(learning_rate=0.001)`",
         {"code": "optimizer.learning_rate = 1.0"}, {}),
        ("`x = x + keras.layers.BatchNormalization(momentum=0.9)(layer(x))` around each", {},
         {"normalised": True, "momentum": 0.9, "skips": True}),
        ("`keras.layers.LSTM` in place of `SimpleRNN`; put it into `keras.layers.Bidirectional`",
         {}, {"cell": "LSTM", "both_ways": True}),
        ("`keras.layers.LSTM` or `keras.layers.GRU` in place of `SimpleRNN`", {}, {"cell": "LSTM"}),
    ],
)  # fmt: skip
def test_a_remedy_is_applied_as_it_is_printed(remedy, wrong, right):
    recipe = Recipe(**wrong)
    after = cured(recipe, Finding("", "", remedy, ""))
    expected = {**vars(recipe), **right, "code": after.code}
    assert vars(after) == expected
    assert after.code.startswith(recipe.code)
    assert ("optimizer =" in after.code) == ("optimizer =" in remedy)
    assert ("x = x / 255" in after.code) == ("x = x / 255" in remedy)


def test_what_nobody_can_type_in_is_no_cure():
    assert (
        cured(Recipe(), Finding("", "", "check that each label belongs to its sample", "")) is None
    )


def known_run(folder, kernel_rms, **statistics):
    """A run whose loss falls, with its accuracy and the shares of zeros."""
    scalars = {"loss": np.geomspace(2.0, 0.5, 60)}
    run = made_run(folder, chain(3), 1e-2, kernel_rms, scalars=scalars, **statistics)
    epochs = [{"epoch": n, "steps": 20, "accuracy": 0.3 + n / 10} for n in range(3)]
    zeros = {"zeros": np.zeros_like(run.grad_norm)}
    return replace(run, info={**run.info, "epochs": epochs}, statistics={**run.statistics, **zeros})


def test_the_rules_of_others(tmp_path):
    sound = known_run(tmp_path / "sound", 1e-2)
    assert (sagemaker(sound), autotrainer(sound)) == ([], [])
    small = known_run(tmp_path / "small", [1e-9, 1e-5, 1e-5, 1e-5])
    assert (sagemaker(small), autotrainer(small)) == (["VanishingGradient"], ["vanish"])
    still = known_run(tmp_path / "still", 1e-2, update_norm=0.0)
    assert sagemaker(still) == ["UnchangedTensor", "WeightUpdateRatio"]
