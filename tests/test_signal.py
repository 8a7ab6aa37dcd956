"""Where the gradient does not arrive, since when, and what is beside the verdict.

Each test says what is right; the numbers of the runs are made for it.
"""

from dataclasses import replace

import numpy as np
import pytest
from made_runs import STEPS, chain, layer, made_run

from keraskip.analysis import RULES, judge, profile
from keraskip.analysis.windows import sound_steps

LATE = np.arange(STEPS)[:, None]
ALL = np.ones((STEPS, 1))


def heights(*orders):
    return 10.0 ** np.array(orders, float)


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_no_gradient_at_all_is_no_healthy_line(tmp_path, value):
    """All gradients are 0, or missing after step 0: `no gradient`, from the first step on."""
    rms = np.full((STEPS, 7), value)
    rms[0] = 0
    verdict = judge(made_run(tmp_path, chain(6), rms, rms))
    assert (verdict.verdict, verdict.attenuation, verdict.since) == ("no gradient", None, 0)
    assert "leaves the loss" in verdict.reason


def test_the_step_since_which_no_gradient_leaves_the_loss(tmp_path):
    """The output saturates in step 25: `no gradient` since step 25."""
    rms = np.where(LATE < 25, 1e-2, 0) * np.ones(7)
    verdict = judge(made_run(tmp_path, chain(6), rms, rms))
    assert (verdict.verdict, verdict.since) == ("no gradient", 25)
    assert "since step 25" in verdict.reason


def test_a_loss_of_zero_is_named(tmp_path):
    """A loss of exactly 0 sends no gradient, and there is nothing left to learn."""
    rms = np.where(LATE < 25, 1e-2, 0) * np.ones(7)
    loss = np.where(np.arange(STEPS) < 25, 1.0, 0)
    verdict = judge(made_run(tmp_path, chain(6), rms, rms, scalars={"loss": loss}))
    assert verdict.reason.endswith("and so is the loss")


@pytest.mark.parametrize(("share", "expected"), [(0.85, "dead"), (0.6, "healthy")])
def test_most_of_the_last_steps_decide(tmp_path, share, expected):
    """A ReLU that answers in 15 % of the steps is dead; one that answers in 40 % is not."""
    is_zero = (np.arange(STEPS) % 20 >= 20 * (1 - share))[:, None]
    bias = np.where(is_zero & (np.arange(7) < 3), 0, 1e-2)
    kernel = np.where(is_zero & (np.arange(7) < 4), 0, 1e-3)
    assert judge(made_run(tmp_path, chain(6), bias, kernel)).verdict == expected


def test_a_dead_layer_answers_zero_and_the_kernel_behind_it_gets_none(tmp_path):
    """h3 died in step 30: it and the layers before it get 0, and the kernel of h4, too: `dead`."""
    is_zero = LATE >= 30
    bias = np.where(is_zero & (np.arange(7) < 3), 0, 1e-2)
    kernel = np.where(is_zero & (np.arange(7) < 4), 0, 1e-3)
    verdict = judge(made_run(tmp_path, chain(6), bias, kernel))
    assert (verdict.verdict, verdict.since) == ("dead", 30)
    assert verdict.reason == "3 layers, the last one h3, got gradients of exactly 0 since step 30"


@pytest.mark.parametrize("value", [0.0, np.nan], ids=["JAX has zeros", "TensorFlow has none"])
def test_a_gradient_that_is_cut_off(tmp_path, value):
    """Behind stop_gradient the kernel of h4 has an input: `no gradient`, on every backend."""
    rms = np.where(np.arange(7) < 3, value, 1e-2)
    verdict = judge(made_run(tmp_path, chain(6), rms, rms))
    assert (verdict.verdict, verdict.layers) == ("no gradient", ("h1", "h2", "h3"))
    assert "the last one h3" in verdict.reason
    assert "stop_gradient" in verdict.reason


def test_the_layer_whose_bias_ran_away_is_to_blame(tmp_path):
    """h2 died with a bias of -5000; h3 and h4 answer 0 because their input does: h2 is named."""
    bias = np.where(np.arange(7) < 4, 0, 1e-2)
    kernel = np.where(np.arange(7) < 5, 0, 1e-3)
    sizes = np.ones(14)
    sizes[3] = 2 * 5000
    verdict = judge(made_run(tmp_path, chain(6), bias, kernel, weight_norm=sizes))
    assert (verdict.verdict, verdict.layers) == ("dead", ("h2",))
    assert "the bias of h2 ran away, to an RMS of 5,000" in verdict.reason


def two_heads():
    """A trunk of four layers; `main` behind two more, `aux` behind one more."""
    trunk = chain(4)[:4]
    return [
        *trunk,
        layer("side", 5, ["h4"]),
        layer("m1", 5, ["h4"]),
        layer("aux", 6, ["side"], last=True),
        layer("m2", 6, ["m1"]),
        layer("main", 7, ["m2"], last=True),
    ]


def test_damaged_steps_are_told(tmp_path):
    """A record with two damaged places: the rest is judged, and both are named."""
    run = made_run(tmp_path, chain(6), np.full(7, 1e-2), np.full(7, 1e-2))
    verdict = judge(replace(run, damaged=((7, 16), (31, None))))
    assert verdict.verdict == "healthy"
    assert [note.split("the record ")[1] for note in verdict.notes] == [
        "from step 8 to 15 is damaged and left out", "from step 32 on is damaged and left out"
    ]  # fmt: skip
    assert "the record of step 8 is damaged" in judge(replace(run, damaged=((7, 9),))).notes[0]


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_head_that_the_loss_leaves_out_is_named_and_not_dead(tmp_path, value):
    """An auxiliary output with loss weight 0, with a layer of its own: healthy, and both named."""
    rms = np.full(9, 1e-2)
    rms[[4, 6]] = value
    verdict = judge(made_run(tmp_path, two_heads(), rms, rms))
    assert verdict.verdict == "healthy"
    assert verdict.notes[0].startswith("not judged: 2 layers, the last one aux, never got")


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_layer_that_is_never_called_is_named_and_not_dead(tmp_path, value):
    """It has a name and weights, and lies on no way: healthy, and the head without a loss, too."""
    never = [{**row, "after": None, "last": None} for row in layer("never", 0)]
    rms = np.full(10, 1e-2)
    rms[[0, 5, 7]] = value
    verdict = judge(made_run(tmp_path, [never, *two_heads()], rms, rms))
    assert (verdict.verdict, verdict.depths) == ("healthy", 6)
    assert verdict.notes[0].startswith("not judged: 3 layers, ")


def test_a_head_that_is_trained_does_not_count_as_hidden(tmp_path):
    """The gradient of `aux`, 1000 times as large, lies beside the line and not in it."""
    rms = np.full(9, 1e-2)
    rms[6] = 10
    verdict = judge(made_run(tmp_path, two_heads(), rms, rms))
    assert (verdict.verdict, verdict.depths) == ("healthy", 6)
    assert verdict.attenuation.value == pytest.approx(0, abs=1e-6)


def test_a_dead_branch_beside_a_skip(tmp_path):
    """The branch b1-b2 answers 0, the skip does not: b1 and b2 are dead, h1 and h2 are not."""
    layers = [
        layer("h1", 1),
        layer("h2", 2, ["h1"]),
        layer("b1", 3, ["h2"]),
        layer("b2", 4, ["b1"]),
        layer("h3", 5, ["b2"]),
        layer("out", 6, ["h3"], last=True),
    ]
    rms = np.array([1e-2, 1e-2, 0, 0, 1e-2, 1e-2])
    kernel = np.array([1e-2, 1e-2, 0, 0, 0, 1e-2])
    verdict = judge(made_run(tmp_path, layers, rms, kernel))
    assert (verdict.verdict, verdict.layers) == ("dead", ("b1", "b2"))


def gated(tmp_path, of_branch=1e-8, begins_at=0.0, below=1e-2):
    """Layers on a branch, multiplied by a scalar, and the sum with the identity beside it."""
    names = ["h1", "h2", "b1", "b2", "b3", "gate", "out"]
    layers = [
        layer(name, depth, names[depth - 2 : depth - 1], last=name == "out")
        for depth, name in enumerate(names, 1)
    ]
    rms = np.tile([below, below, *[of_branch] * 3, 1e-2, 1e-2], (STEPS, 1))
    kernels, sizes = rms.copy(), np.ones((STEPS, 2 * len(names)))
    rms[0, 2:5] = kernels[0, 2:5] = 0
    sizes[0, 10] = begins_at
    return judge(made_run(tmp_path, layers, rms, kernels, weight_norm=sizes))


def test_a_branch_behind_a_scalar_that_begins_at_0_neither_vanishes_nor_explodes(tmp_path):
    """The gate gets the small gradients, and the identity carries the signal past it."""
    verdict = gated(tmp_path)
    assert verdict.verdict == "healthy"
    assert verdict.at_start.value == pytest.approx(0, abs=1e-6)
    assert any("3 layers, the last one b3, on branches behind a weight" in n for n in verdict.notes)
    assert not gated(tmp_path, below=0.0).notes  # a kernel of zeros in a line
    other = gated(tmp_path, begins_at=1.0)
    assert other.verdict != "healthy"
    assert not other.notes


def test_all_hidden_layers_may_lie_on_branches_behind_scalars(tmp_path):
    """The identity begins at the inputs: there are only each other to compare, not the output."""
    names = ["b1", "gate1", "b2", "gate2", "out"]
    shapes = [(2, 2), (1,), (2, 2), (1,), (2, 2)]
    layers = [
        layer(name, depth, names[depth - 2 : depth - 1], last=name == "out", kernel=shape)
        for depth, (name, shape) in enumerate(zip(names, shapes, strict=True), 1)
    ]
    rms, sizes = np.tile([1e-8, 1e-2, 1e-8, 1e-2, 1e-2], (STEPS, 1)), np.ones((STEPS, 10))
    rms[0, [0, 2]], sizes[0, [2, 6]] = 0, 0
    biases = np.where(np.isin(names, ["gate1", "gate2"]), np.nan, rms)
    verdict = judge(made_run(tmp_path, layers, biases, rms, weight_norm=sizes))
    assert verdict.verdict == "healthy"
    assert verdict.attenuation.value == pytest.approx(0, abs=1e-6)
    assert any("2 layers, the last one b2, on branches" in note for note in verdict.notes)


def test_another_tower_does_not_carry_the_signal_past_a_branch(tmp_path):
    """A line that begins with a kernel of zeros, beside a tower that gets a gradient at once."""
    rows = [("left", 1, []), ("b1", 1, []), ("b2", 2, ["b1"]), ("gate", 3, ["b2"])]
    layers = [layer(name, depth, after) for name, depth, after in rows]
    layers.append(layer("out", 4, ["left", "gate"], last=True))
    rms, sizes = np.tile([1e-2, 1e-8, 1e-8, 1e-2, 1e-2], (STEPS, 1)), np.ones((STEPS, 10))
    rms[0, 1:3], sizes[0, 6] = 0, 0
    verdict = judge(made_run(tmp_path, layers, rms, rms, weight_norm=sizes))
    assert not any("branches behind" in note for note in verdict.notes)


def test_a_tower_that_vanishes_beside_one_that_does_not(tmp_path):
    """Two towers that meet in `out`: the left one loses 7 orders, and is named."""
    left, right = ([f"{side}{n}" for n in range(8)] for side in ("left", "right"))
    layers = [
        layer(names[n], n + 1, names[max(n - 1, 0) : n])
        for n in range(8)
        for names in (left, right)
    ]
    layers.append(layer("out", 9, [left[-1], right[-1]], last=True))
    rms = np.full(17, 1e-2)
    rms[0:16:2] = 10.0 ** (-9 + np.arange(8) + 0.1 * (-1.0) ** np.arange(8))
    verdict = judge(made_run(tmp_path, layers, rms, rms))
    assert verdict.verdict == "vanishing"
    assert verdict.reason.startswith("in the tower that begins with left0")
    rms[0:16:2] = 1e-3
    assert judge(made_run(tmp_path / "healthy", layers, rms, rms)).verdict == "healthy"


def test_weights_of_nan_behind_finite_gradients(tmp_path):
    """A fused ReLU makes the gradients 0 after the weights of h2 became NaN: diverged, step 40."""
    rms = np.where(LATE < 40, 1e-2, 0) * np.ones(7)
    sizes = np.ones((STEPS, 14))
    sizes[40:, 2] = np.nan
    verdict = judge(made_run(tmp_path, chain(6), rms, rms, weight_norm=sizes))
    assert verdict.verdict == "diverged"
    assert verdict.reason == "weights are NaN or infinite from step 40 on, first in h2"
    assert (verdict.layers, verdict.since) == (("h2",), 40)


@pytest.mark.parametrize(
    ("first", "odd", "cause"),
    [
        (0, 0, "the inputs were finite"),
        (17, 3, ": 3 numbers in the inputs of that step were"),
        (17, 1, ": 1 number in the inputs of that step was"),
    ],
)
def test_why_gradients_broke(tmp_path, first, odd, cause):
    """NaN in step 0 with finite inputs is an overflow; NaN in the inputs is named with its step."""
    is_broken = first <= LATE
    norm = np.where(is_broken, np.nan, 2e-2) * np.ones(14)
    inputs = np.where(np.arange(STEPS) == first, odd, 0)
    options = {"grad_norm": norm, "grad_nonfinite": 4.0 * is_broken}
    run = made_run(tmp_path, chain(6), 1e-2, scalars={"input_nonfinite": inputs}, **options)
    verdict = judge(run)
    assert verdict.verdict == "diverged"
    assert f"from step {first} on" in verdict.reason
    assert cause in verdict.reason


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"info": {"labels": [{"output": 0, "count": 9, "nonfinite": 2}]}}, "in 2 batches"),
        ({"weight_norm": np.where(np.arange(14) == 4, np.nan, 1.0)}, "the weights of h3 were so"),
        ({"scalars": {"loss": np.where(np.arange(STEPS), np.nan, 2.0)}}, "the loss is finite, so"),
    ],
    ids=["labels", "weights", "derivative"],
)
def test_why_gradients_broke_in_the_first_step(tmp_path, changes, cause):
    """NaN labels, a weight of NaN before any update, and a derivative are told from an overflow."""
    options = {"grad_norm": np.nan, "grad_nonfinite": 4.0, **changes}
    verdict = judge(made_run(tmp_path, chain(6), 1e-2, **options))
    assert (verdict.verdict, verdict.since) == ("diverged", 0)
    assert cause in verdict.reason


def test_a_missing_gradient_is_no_nan(tmp_path):
    """A layer that is never called has no gradient anywhere: the others are judged."""
    layers = [layer("unused", 0, last=True), *chain(6)]
    rms = np.array([np.nan, *[1e-2] * 7])
    verdict = judge(made_run(tmp_path, layers, rms, rms))
    assert verdict.verdict == "healthy"
    assert verdict.notes[0].startswith("not judged: unused never got a gradient")


def test_a_gradient_that_is_missing_in_some_steps(tmp_path):
    """A branch that is called in two of three steps: healthy, and all steps are read."""
    rms = np.where((LATE % 3 == 0) & (np.arange(7) == 3), np.nan, 1e-2)
    run = made_run(tmp_path, chain(6), rms, rms)
    verdict = judge(run)
    assert (verdict.verdict, verdict.depths) == ("healthy", 6)
    assert len(sound_steps(run)) == STEPS
    rows = profile(run, "kernel", sound_steps(run))
    assert rows["rms"].to_numpy() == pytest.approx(1e-2, rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "rms", "expected"),
    [
        # Contributions that cancel: doubling every weight of 1e-3 changes the loss by 1e-20.
        (1.0, 1e-17, "no gradient"),
        # A loss that is scaled by 1e-15 has gradients as small, and they are sound.
        (1e-15, 1e-17, "healthy"),
        # Nobody knows.
        (np.nan, 1e-17, "healthy"),
    ],
)
def test_rounding_errors_are_told_by_the_loss(tmp_path, loss, rms, expected):
    """1e-17 beside weights of 1e-3 is a rounding error of a loss of 1, not of one of 1e-15."""
    options = {"weight_norm": 2e-3, "scalars": {"loss": loss}}
    assert judge(made_run(tmp_path, chain(6), rms, rms, **options)).verdict == expected


def test_rounding_errors_and_zeros_in_turn(tmp_path):
    """Contributions that cancel leave 1e-17 in some steps, and exactly 0 in the others."""
    rms = np.where(LATE % 2, 1e-17, 0) * np.ones(7)
    options = {"weight_norm": 2e-3, "scalars": {"loss": 1.0}}
    verdict = judge(made_run(tmp_path, chain(6), rms, rms, **options))
    assert (verdict.verdict, verdict.since) == ("no gradient", 0)


def test_biases_that_cancel_to_the_last_digit_are_left_out(tmp_path):
    """Of a siamese network: all biases get exactly 0, the kernels fall by 6 orders: vanishing."""
    kernel = 10.0 ** (-2 - np.arange(7)[::-1])
    verdict = judge(made_run(tmp_path, chain(6), 0.0, kernel))
    assert (verdict.verdict, verdict.signal) == ("vanishing", "kernel")


@pytest.mark.parametrize(
    ("kernels", "inputs", "expected"),
    [
        (0.0, 1.0, ("healthy", "kernel")),
        (-5.0, 1.0, ("vanishing", "backward")),
        (0.0, 1e4, ("vanishing", "backward")),
    ],
    ids=["errors", "a drop of all", "large inputs"],
)
def test_biases_in_front_of_a_normalisation_without_a_shift(tmp_path, kernels, inputs, expected):
    """Rounding errors, 6 orders below their own kernels, and the output's bias is not: left out.

    Where the kernels fall as far, the signal does; where inputs are large, kernels may be, too.
    """
    bias = np.where(np.arange(7) < 6, 1e-8, 1e-2)
    kernel = np.where(np.arange(7) < 6, 10.0 ** (-2 + kernels), 1e-2)
    scalars = {"input_min": -inputs, "input_max": inputs}
    verdict = judge(made_run(tmp_path, chain(6), bias, kernel, scalars=scalars))
    assert (verdict.verdict, verdict.signal) == expected


def test_zeros_of_float16_are_underflows(tmp_path):
    """Below a signal of 1e-5 float16 has nothing left: `no gradient`, and loss scaling helps."""
    rms = np.where(np.arange(7) < 3, 0, 1e-5)
    info = {"training": {"dtype_policy": "mixed_float16"}}
    verdict = judge(made_run(tmp_path, chain(6), rms, rms, info=info))
    assert verdict.verdict == "no gradient"
    assert "loss scaling" in verdict.reason


def test_a_layer_that_begins_at_zero_is_no_outlier(tmp_path):
    """The branches of ReZero get 0 in step 0 alone: healthy."""
    rms = np.where((LATE < 1) & (np.arange(9) % 2 == 0), 0, 1e-2)
    rms[:, -1] = 1e-2
    assert judge(made_run(tmp_path, chain(8), rms, rms)).verdict == "healthy"


def test_time_was_not_looked_at(tmp_path):
    """A recurrent kernel: the verdict is over layers, and says that time was not looked at."""
    layers = chain(4)
    layers[1][0]["role"] = "recurrent_kernel"
    notes = judge(made_run(tmp_path, layers, 1e-2)).notes
    assert any("over time was not looked at" in note for note in notes)


def test_a_cell_with_weights_of_other_names_is_over_time_too(tmp_path):
    verdict = judge(made_run(tmp_path, chain(6), 1e-2, info={"recurrent": ["rnn"]}))
    assert "over time was not looked at" in verdict.notes[0]
    assert judge(made_run(tmp_path, chain(6), 1e-2, info={"recurrent": []})).notes == ()


@pytest.mark.parametrize(
    ("unrecorded", "said"), [(0, "use the weights of others"), (2, "were not recorded")]
)
def test_layers_that_share_weights_are_not_unrecorded(tmp_path, unrecorded, said):
    """Nine of twelve layers in a row: one block that is called ten times, or a filter."""
    layers = [layer("a", 1), layer("shared", 2, ["a"]), layer("out", 12, ["shared"], last=True)]
    info = {"depth": 12, "unrecorded": unrecorded}
    verdict = judge(made_run(tmp_path, layers, 1e-2, info=info))
    assert f"9 of 12 layers in a row {said}" in verdict.notes[0]


def test_each_rule_has_a_source_or_follows_from_one():
    """Each rule is stated once, with a paper or the standard of float arithmetic."""
    for verdict, rule in RULES.items():
        if verdict not in ("healthy", "inconclusive"):
            assert "(" in rule
            assert any(word in rule for word in ("19", "20", "754")), verdict
