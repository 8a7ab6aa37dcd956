"""Claims of papers: each is measured in its reduced form, and its rule reads the numbers."""

import importlib
import json
import sys
from functools import partial
from itertools import chain
from pathlib import Path

import keras
import numpy as np
import pytest

import keraskip

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "examples"))

claims = importlib.import_module("claims")
intervals = importlib.import_module("measured.intervals")
lesions = importlib.import_module("measured.lesions")
paths = importlib.import_module("measured.paths")
signals = importlib.import_module("measured.signals")
networks = importlib.import_module("measured.networks")
dense_maps = importlib.import_module("measured.dense_maps")
stochastic = importlib.import_module("measured.j_stochastic_depth")
training = importlib.import_module("measured.training")
rounding = importlib.import_module("measured.i_rounding")
standstill = importlib.import_module("measured.standstill")
page_of = importlib.import_module("measured.page").page_of
Interval, slope, student = intervals.Interval, intervals.slope, intervals.student

OUT = ROOT / "docs" / "claims"
CLAIMS = claims.claims()
# They train; the parts of their measurements are tried below.
SLOW = {"e", "f", "g", "h", "i", "j"}
RULE = {letter: sys.modules[claim.read.__module__].rule for letter, claim in CLAIMS.items()}
YES, NO, PART, OPEN = "yes", "no", "in part", "inconclusive"


def at(value):
    """A narrow interval."""
    return Interval(value, value - 0.001, value + 0.001)


def five(*values):
    """Differences of five skips to the identity, in points."""
    return dict(zip("BCDEF", map(at, values), strict=True))


def still(*pairs):
    """Gradients and frozen shares of first layers."""
    return [{"gradient": gradient, "frozen": frozen} for gradient, frozen in pairs]


WIDE = Interval(0.5, -10.0, 10.0)
RULES = [
    ("a", (at(1.467), at(0.05)), YES),
    ("a", (at(1.2), at(0.05)), PART),
    ("a", (at(1.7), at(0.2)), NO),
    ("a", (WIDE, WIDE), OPEN),
    ("b", (at(0.3), at(0.3)), YES),
    ("b", (at(0.1), at(0.3)), PART),
    ("b", (at(0.1), at(0.1)), NO),
    ("b", (WIDE, WIDE), OPEN),
    ("c", (at(-1.1), at(-0.1)), YES),
    ("c", (at(-1.3), at(-0.1)), PART),
    ("c", (at(-0.7), at(-0.4)), NO),
    ("c", (WIDE, WIDE), OPEN),
    ("d", (at(1.0), at(5.0)), YES),
    ("d", (at(1.03), at(5.0)), PART),
    ("d", (at(0.97), at(-1.0)), NO),
    ("d", (WIDE, WIDE), OPEN),
    ("e", (at(5), at(60), at(0.3)), YES),
    ("e", (at(15), at(60), at(0.3)), PART),
    ("e", (at(15), at(40), at(0.4)), NO),
    ("e", (WIDE, WIDE, WIDE), OPEN),
    ("f", (at(0.01), at(0.11), at(0.11), at(0.11)), YES),
    ("f", (at(0.01), at(0.11), at(0.09), at(0.11)), PART),
    ("f", (at(0.01), at(0.11), WIDE, at(0.11)), PART),
    ("f", (at(0.01), at(0.09), at(0.11), at(0.11)), NO),
    ("f", (at(0.01), at(0.11), at(0.11), at(0.09)), NO),
    ("f", (at(-0.01), at(0.11), at(0.11), at(0.11)), NO),
    ("f", (WIDE, at(0.11), at(0.11), at(0.11)), OPEN),
    ("f", (at(0.01), WIDE, at(0.11), at(0.11)), OPEN),
    ("g", (five(0.01, 1, 1, 1, 1), at(0.01)), YES),
    ("g", (five(0.01, 1, 1, 1, 1), at(-0.01)), PART),
    ("g", (five(-0.01, 0, 0, 0, 0.01), at(0.01)), PART),
    ("g", (five(-0.01, 0, 0, 0, 0), at(0.01)), NO),
    ("g", (five(0, 0, 0, 0, 0), at(0.01)), OPEN),
    ("h", (at(0.51), at(0.01)), YES),
    ("h", (at(0.49), at(0.01)), PART),
    ("h", (at(0.51), at(-0.01)), PART),
    ("h", (at(0.49), at(0.0)), NO),
    ("h", (WIDE, at(-0.01)), NO),
    ("h", (WIDE, WIDE), OPEN),
    ("i", (still((1e-15, 0.999), (1e-16, 1.0), (1.1e-15, 0.0)),), YES),
    ("i", (still((1e-15, 0.998), (1e-16, 1.0)),), PART),
    ("i", (still((1e-15, 0.998), (1.1e-15, 1.0)),), NO),
    ("i", (still((1.1e-15, 1.0)),), OPEN),
    ("j", (at(1.01), 0.9), YES),
    ("j", (at(1.01), 0.89), PART),
    ("j", (at(0.99), 1.0), NO),
    ("j", (at(1.0), 1.0), OPEN),
]


@pytest.mark.parametrize(("letter", "intervals", "verdict"), RULES)
def test_the_rule_reads_the_intervals_on_both_sides_of_its_limits(letter, intervals, verdict):
    assert RULE[letter](*intervals) == verdict


@pytest.mark.parametrize(
    "letter",
    [pytest.param(each, marks=pytest.mark.slow if each in SLOW else ()) for each in CLAIMS],
)
def test_a_claim_is_measured_in_its_reduced_form(letter):
    outcome = CLAIMS[letter].measure(True)
    numbers = json.loads(json.dumps(outcome.numbers, allow_nan=False))
    again = CLAIMS[letter].read(numbers)
    assert (again.here, again.agrees) == (outcome.here, outcome.agrees)
    assert outcome.agrees in (YES, NO, PART, OPEN)
    assert len(outcome.seeds) == 2
    assert "nan" not in outcome.here


def records():
    files = sorted(OUT.glob("*.json"))
    return {file.stem: json.loads(file.read_text("utf-8")) for file in files}


def test_what_is_on_the_page_follows_from_the_numbers():
    for letter, record in records().items():
        outcome = CLAIMS[letter].read(record["numbers"])
        assert (outcome.here, outcome.agrees) == (record["here"], record["agrees"])
        assert (OUT / f"{letter}.svg").is_file() == (outcome.chart is not None)


def test_the_page_is_made_from_the_files():
    page = OUT.with_suffix(".md").read_text("utf-8")
    assert page == page_of(claims.measured_in(OUT))
    assert page.count("\n| [(") == len(records()) == len(CLAIMS)


def test_an_interval_holds_what_it_should():
    assert student([1.0, 2.0, 3.0]) == pytest.approx((2.0, 2 - 2.4841, 2 + 2.4841), abs=1e-4)
    assert slope([0, 1, 2], [1, 3, 5]) == pytest.approx(2)


def test_an_unknown_letter_is_refused(capsys):
    with pytest.raises(SystemExit):
        claims.main(["zz"])
    assert "Received: zz" in capsys.readouterr().err


def halves(kind):
    """A small network, its one block that can be removed, and what enters and leaves it."""
    model = networks.seeded(0, kind, 8)
    (block,) = lesions.removable(model)
    ends = [model.get_layer("stem_act").output, model.get_layer(f"{block}_act2").output]
    return model, block, keras.Model(model.input, ends)


@pytest.mark.parametrize("kind", [keraskip.build_plain, keraskip.build_resnet])
def test_a_network_without_a_block_has_the_identity_there(kind):
    model, block, both = halves(kind)
    images, _ = networks.batch(4)
    before = model.get_weights()
    entering, leaving = map(keras.ops.convert_to_numpy, both(images))
    assert np.abs(entering - leaving).max() > 0.1
    with lesions.without(model, block):
        entering, leaving = map(keras.ops.convert_to_numpy, both(images))
    np.testing.assert_allclose(leaving, entering, atol=1e-5)
    for weights, again in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, again)


def test_gates_change_the_gradient_and_nothing_else():
    model = networks.seeded(0, keraskip.build_resnet, 8)
    images, labels = networks.batch(4)
    copy = paths.gated(model)
    ways = (set(), {0}, {0, 1, 2})
    norms = [paths.path_norm(copy, through, images, labels) for through in ways]
    assert min(norms) > 0
    assert len(set(norms)) == 3
    found, wanted = (keras.ops.convert_to_numpy(each(images)) for each in (copy, model))
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_of_a_dense_block_the_earliest_maps_are_cut_off():
    model = keraskip.build_densenet(13, 4, input_shape=(8, 8, 1))
    for layer in chain.from_iterable(dense_maps.blocks(model)):
        kernel = np.ones(layer.kernel.shape, "float32")
        # Channels of the block's input, 16 in the first block, weigh twice as much.
        kernel[:, :, :16] = 2
        layer.kernel.assign(kernel)
    first = dense_maps.heat_maps(model, 4)[0]
    assert first == [[2.0], [2.0, 1.0], [2.0, 1.0, 1.0]]
    assert dense_maps.input_over_others(first) == 2
    assert dense_maps.early_over_late([first]) == pytest.approx(2)
    dense_maps.cut_off(model, 4)
    assert dense_maps.heat_maps(model, 4)[0] == [[2.0], [2.0, 1.0], [0.0, 1.0, 1.0]]


def test_a_short_training_gives_what_claims_f_g_and_j_read():
    build = partial(keraskip.build_resnet, 8, stochastic_depth_rate=0.5, input_shape=(8, 8, 1))
    trained = training.train(build, 0, 1, training.falling(1))
    assert 0 < trained.test_error < 100
    # Batches of 64: the 1,294 digits take 21 steps. Seven convolutions, and no projection.
    assert trained.run.grad_norm.shape[0] == training.steps_of_epoch(1294) == 21
    assert len(signals.profile(trained.run)) == 7
    curves = stochastic.curves(trained.run, 3)
    assert {len(curve) for curve in curves.values()} == {3}
    assert curves["loss"] == pytest.approx(
        [trained.run.loss[part].mean() for part in np.split(np.arange(21), 3)]
    )


def test_a_gradient_that_falls_towards_the_input_is_below_one():
    assert signals.share_of_first([1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0]) == pytest.approx(1e-4)


def test_the_spread_is_the_smallest_one_and_the_difference_a_share_of_it():
    model = networks.seeded(0, keraskip.build_plain, 8)
    before = model.get_weights()
    assert signals.least_spread(model) == pytest.approx(1, abs=0.01)
    whole = signals.least_difference(model)
    last = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for weights, again in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, again)
    last[-1].gamma.assign(0.01 * last[-1].gamma)
    assert signals.least_spread(model) == pytest.approx(0.01, abs=0.001)
    # The images differ by as large a share of what is left.
    assert signals.least_difference(model) == pytest.approx(whole, rel=0.01)


def test_the_rate_is_low_at_the_start_and_then_falls_from_a_tenth():
    rate = training.WarmedUp(15)
    warm = training.WARM_EPOCHS * training.steps_of_epoch(1294)
    rates = [float(rate(step)) for step in (0, warm - 1, warm, 15 * 21)]
    assert rates[:2] == pytest.approx([0.01, 0.01])
    assert 0.09 < rates[2] < 0.1
    assert rates[3] == pytest.approx(0, abs=1e-6)


def test_claim_i_is_measured_with_one_network(monkeypatch):
    networks_alone = {"sigmoid": standstill.NETWORKS["sigmoid"]}
    monkeypatch.setattr(rounding, "NETWORKS", networks_alone)
    outcome = rounding.measure(True)
    shallow, deep = outcome.numbers["rows"][:2]
    assert outcome.agrees == YES
    assert shallow["gradient"] > rounding.GRADIENT >= deep["gradient"] > 0
    assert shallow["frozen"] < rounding.STILL <= deep["frozen"]
