"""Whether a network learns, on runs whose answer is known because the numbers were made for it."""

import re
from dataclasses import replace

import numpy as np
import pytest
from made_runs import GUESS, classifier, falling, flat, regression, run_of, with_optimizer

from keraskip.analysis.causes import diagnose
from keraskip.analysis.heads import Head, chance, constant_guess
from keraskip.analysis.learning import LEARNING_RULES, learning_of
from keraskip.analysis.losses import losses_of
from keraskip.analysis.series import mean_of_series
from keraskip.analysis.words import about_learning, diagnosis


def state(*args, **options):
    return learning_of(run_of(*args, **options)).state


def binary(**labels):
    """What `run.json` says about a classifier of two classes with one unit."""
    return classifier("sigmoid", "binary_crossentropy", 1, labels=[{"output": 0, **labels}])


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (falling(), "learning"),
        (flat(), "not learning"),
        # It falls from a bad start to the guess: the shares of the classes are all it learned.
        (falling(start=9.0, end=GUESS), "not learning"),
        (flat(level=0.2), "unknown"),  # pretrained, or a loss in other units
        (falling(start=0.4, end=2.0), "not learning"),
        (falling(start=2.3, end=4e3), "diverged"),
        (np.r_[falling(200), np.full(100, np.nan)], "diverged"),
        (np.r_[falling(200), np.full(100, np.inf)], "diverged"),
        (flat(30), "unknown"),
        (falling(10), "unknown"),
        (falling(80, start=2.4, end=2.27, noise=0.001), "unknown"),  # it falls, and is short
        (falling(900, start=2.4, end=2.27, noise=0.001), "not learning"),
    ],
)
def test_from_the_loss_of_each_step(loss, expected):
    assert state(loss, info=classifier()) == expected


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (falling(), "learning"),
        (flat(), "not learning"),
        (falling(start=3, end=2.95), "not learning"),
    ],
)
def test_without_the_guess_the_start_is_the_measure(loss, expected):
    assert state(loss) == expected


def test_an_accuracy_above_chance_outweighs_a_penalty_on_the_weights():
    epochs = [{"epoch": 0, "steps": 300, "accuracy": 0.8}]
    loss = falling(start=40, end=12)
    assert state(loss, info=classifier(), epochs=epochs) == "learning"
    assert state(loss, info=classifier()) != "not learning"
    assert (
        state(loss, info=classifier(), epochs=[{**epochs[0], "accuracy": 0.11}]) == "not learning"
    )


@pytest.mark.parametrize(
    ("epochs", "expected"),
    [
        ([2.3, 1.4, 0.6], "learning"),
        ([2.3, 2.31, 2.3], "not learning"),
        ([2.3, 2.3], "unknown"),
        ([], "unknown"),
    ],
)
def test_a_run_without_losses_is_judged_by_its_epochs(epochs, expected):
    rows = [{"epoch": n, "steps": 100 * n + 100, "loss": loss} for n, loss in enumerate(epochs)]
    learning = learning_of(run_of(None, epochs=rows))
    assert learning.state == expected
    if expected == "unknown":
        assert "recorded" in learning.reason


def test_frozen_by_the_share_of_elements_left_as_they_were():
    assert state(flat(), info=classifier(), frozen=1.0) == "frozen"
    assert state(flat(), info=classifier(), frozen=0.9) == "not learning"


def test_frozen_by_the_size_of_the_updates():
    assert state(flat(), info=classifier(), update_norm=1e-9) == "frozen"


def test_a_gradient_of_exactly_zero_is_not_frozen():
    assert state(flat(), info=classifier(), frozen=1.0, grad_norm=0.0) == "not learning"


def test_a_network_that_has_learned_everything_is_not_frozen():
    late = np.where(np.arange(300)[:, None] > 200, 1.0, 0.0)
    assert state(falling(end=0.0, noise=1e-9), info=classifier(), frozen=late) == "learning"


def test_a_loss_in_other_units_is_no_learning():
    """A small weight of the loss makes it lower than a guess."""
    epochs = [{"epoch": 0, "steps": 300, "accuracy": 0.1}]
    loss = flat(level=2.3e-7, noise=1e-9)
    assert state(loss, info=classifier(), epochs=epochs) == "not learning"


def test_a_pretrained_network_that_does_not_move_is_frozen():
    assert state(flat(level=0.2), info=classifier(), frozen=1.0) == "frozen"


def test_nan_weights_are_diverged_even_where_gradients_are_zeros_again():
    weights = np.ones((300, 8))
    weights[40:, 3] = np.nan
    learning = learning_of(run_of(flat(), info=classifier(), weight_norm=weights))
    assert (learning.state, learning.since) == ("diverged", 40)


def test_the_last_finite_loss_is_not_the_end_of_a_run_that_broke():
    loss = np.r_[falling(200), np.full(100, np.nan)]
    said = about_learning(learning_of(run_of(loss, info=classifier())))
    assert said.startswith("it diverged (NaN or infinite from step 200 on; the loss begins at 2.")


def test_a_weight_without_gradient_is_not_nan():
    missing = np.zeros((300, 8))
    missing[:, 3] = np.nan
    changes = dict.fromkeys(("grad_norm", "grad_nonfinite", "weight_norm", "update_norm"))
    changes = {name: missing + 1e-3 * (name != "grad_nonfinite") for name in changes}
    assert state(falling(), info=classifier(), **changes) == "learning"


def test_steps_that_loss_scaling_skips_do_no_harm():
    skipped = np.zeros((300, 8))
    skipped[-1] = 5
    update = np.where(skipped, 0, 1e-3)
    assert state(falling(), grad_nonfinite=skipped, update_norm=update) == "learning"
    assert state(falling(), grad_nonfinite=skipped) == "diverged"


@pytest.mark.parametrize(
    ("accuracy", "expected"), [(0.1, ("diverged", 0)), (0.9, ("learning", None))]
)
def test_a_loss_that_is_nan_from_the_first_step_to_the_last(accuracy, expected):
    """Epochs tell it from a loss that nobody handed over; an accuracy may be learned yet."""
    epochs = [{"epoch": 0, "steps": 300, "loss": "nan", "accuracy": accuracy}]
    learning = learning_of(run_of(np.full(300, np.nan), info=classifier(), epochs=epochs))
    assert (learning.state, learning.since) == expected
    assert "the loss is NaN or infinite in every step" in learning.reason
    assert state(np.full(300, np.nan), info=classifier()) == "unknown"


def test_a_loss_that_no_metric_was_handed_is_unknown():
    """A training step of one's own returns it, and Keras logs the 0 of its own metric."""
    epochs = [{"epoch": number, "steps": 20, "loss": 0.0} for number in range(5)]
    learning = learning_of(run_of(np.full(100, np.nan), epochs=epochs))
    assert (learning.state, learning.start) == ("unknown", None)
    assert learning.reason.startswith("no loss was recorded")


def epochs_of(**values):
    """The log of epochs without a metric called `loss`."""
    rows = zip(*values.values(), strict=True)
    return [{"epoch": n, "steps": 100 * n + 100, **dict(zip(values, row, strict=True))}
            for n, row in enumerate(rows)]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([2.3, 1.4, 0.6], "learning"),
        ([2.3, 2.31, 2.3], "not learning"),
    ],
)
def test_a_loss_of_another_name_is_the_loss_where_it_is_the_only_one(values, expected):
    learning = learning_of(run_of(None, epochs=epochs_of(n_loss=values, val_n_loss=values)))
    assert (learning.state, learning.source) == (expected, "epochs")


def test_the_only_loss_of_a_network_is_no_measure_where_two_play_against_each_other():
    epochs = epochs_of(g_loss=[2.3, 1.4, 0.6])
    learning = learning_of(run_of(None, info={"part": "g"}, epochs=epochs))
    assert learning.state == "unknown"
    assert "no loss has to fall" in learning.reason


def test_several_losses_of_other_names_are_told_and_not_judged():
    """As in an autoencoder that logs the parts of its loss alone."""
    run = run_of(None, epochs=epochs_of(kl_loss=[0.1, 0.3], image_loss=[9.0, 4.0]))
    learning = learning_of(run)
    assert (learning.state, learning.start) == ("unknown", None)
    assert learning.reason.startswith("kl_loss goes from 0.1 to 0.3, image_loss goes from 9 to 4")
    assert 'keras.metrics.Mean("loss")' in learning.reason
    short = learning_of(run_of(None, epochs=epochs_of(kl_loss=[0.1], image_loss=[9.0])))
    assert short.reason.startswith("kl_loss is 0.1, image_loss is 9 over the epochs")


def test_of_networks_that_play_against_each_other_no_loss_has_to_fall():
    """Keras' example of a DCGAN: an optimizer and a metric for each network. It is said once."""
    numbers = {"optimizer": np.arange(300) % 2, "grad_nonfinite": np.zeros((300, 8))}
    for row in range(2):
        numbers["grad_nonfinite"][row::2, 4 * row : 4 * row + 4] = np.nan
    info = {"optimizers": ["d_optimizer", "g_optimizer"]}
    epochs = epochs_of(d_loss=[1.4, 0.7], g_loss=[0.7, 2.1])
    lines = diagnosis(run_of(None, info=info, epochs=epochs, **numbers))
    assert len(lines) == 1
    assert lines[0].startswith("d and g: whether it learns is unknown (d_loss goes from 1.4 to 0.7")
    assert "no loss has to fall" in lines[0]


@pytest.mark.parametrize(("steps", "expected"), [(100, "frozen"), (40, "unknown")])
def test_gradients_that_are_only_accumulated_update_nothing(steps, expected):
    learning = learning_of(run_of(flat(steps), update_norm=np.nan, frozen=np.nan))
    assert learning.state == expected
    assert learning.reason.startswith(f"no update was made in {steps} steps")


def test_a_run_without_steps_and_one_of_one_step():
    assert state(np.zeros(0), steps=0, info=classifier()) == "unknown"
    assert state(np.ones(1), info=classifier()) == "unknown"


def test_a_penalty_may_lift_a_loss_and_scatter_tells_that_it_does_not():
    """A penalty is the same for each batch; errors of 20 times a guess are not."""
    info = regression(variance=1.0)
    assert state(falling(start=60, end=20, noise=0.3), info=info) == "unknown"
    assert state(falling(start=60, end=20, noise=4.0), info=info) == "not learning"


def test_a_loss_at_the_end_of_a_plateau_is_no_failure():
    step = np.arange(300)
    noise = np.random.default_rng(0).normal(0, 1e-3, 300)
    loss = GUESS - 2e-4 * np.exp(step / 50) + noise
    assert state(loss, info=classifier()) == "unknown"
    # A twentieth of that fall is no end of a plateau.
    assert state(GUESS + (loss - GUESS) / 20, info=classifier()) == "not learning"
    assert state(GUESS - 1e-4 * step + 0 * loss, info=classifier()) == "not learning"


def test_a_loss_far_above_that_of_a_guess_is_on_no_plateau():
    """It falls faster and faster, to the loss of a guess or to 19,000 times it."""
    falls = 1e5 - 0.7 * np.arange(300) ** 2 + np.random.default_rng(0).normal(0, 10, 300)
    assert state(falls, info=regression(variance=4e4)) == "unknown"
    far = learning_of(run_of(falls, info=classifier()))
    assert far.state == "not learning"
    assert re.match(r"the loss falls, but is still \S+ times that of a guess; ", far.reason)


@pytest.mark.parametrize(
    ("loss", "accuracy", "expected"),
    [
        # exp(-0.4) = 67 % of the answers should be right.
        (0.4, 0.0, "not learning"),
        (0.4, 0.1, "not learning"),
        (0.4, 0.5, "learning"),
        # exp(-2) is 14 %, hardly above chance.
        (2.0, 0.1, "learning"),
    ],
)
def test_an_accuracy_at_chance_belies_a_loss(loss, accuracy, expected):
    epochs = [{"epoch": 0, "steps": 300, "accuracy": accuracy}]
    assert state(falling(end=loss), info=classifier(), epochs=epochs) == expected


@pytest.mark.parametrize(
    ("end", "accuracy", "expected"),
    [
        # An LSTM whose answer lies 100 steps back, and at chance on samples it has not seen.
        (0.675, 0.57, "not learning"),
        (0.662, 0.57, "learning"),  # the interval of the loss leaves it open
        (0.683, 0.64, "learning"),
        (0.9, 0.57, "not learning"),
        (None, 0.57, "learning"),
    ],
)
def test_an_accuracy_little_above_chance_needs_a_loss_that_does_not_deny_it(
    end, accuracy, expected
):
    loss = np.full(300, np.nan) if end is None else falling(start=0.71, end=end, noise=0.03)
    epochs = [{"epoch": n, "steps": 300, "accuracy": accuracy} for n in range(3)]
    run = run_of(loss, info=binary(count=1280, mean=0.5, variance=0.25), epochs=epochs)
    learning = learning_of(run)
    assert learning.state == expected
    if expected == "learning" and end:
        assert f"it learns (accuracy {accuracy:.2f}, chance 0.50; " in about_learning(learning)


def test_the_accuracy_is_told_only_where_the_loss_does_not_show_that_a_network_learns():
    epochs = [{"epoch": 0, "steps": 300, "accuracy": 0.9}]
    learning = learning_of(run_of(falling(), info=classifier(), epochs=epochs))
    assert about_learning(learning).startswith("it learns (the loss goes from ")


@pytest.mark.parametrize(("accuracy", "said"), [(0.57, "little"), (0.52, "nothing")])
def test_little_is_not_nothing(accuracy, said):
    epochs = [{"epoch": 0, "steps": 300, "accuracy": accuracy}]
    loss = falling(start=0.71, end=0.68, noise=0.03)
    run = run_of(loss, info=binary(count=1280, mean=0.5, variance=0.25), epochs=epochs)
    assert f"and {said} is learned: the loss is 0.67" in diagnose(run)[0].sentence


@pytest.mark.parametrize(
    ("units", "mean", "variance", "end", "accuracy", "expected"),
    [
        (1, 0.5, 0.25, 0.2, 0.5, "not learning"),
        # "accuracy" of several sigmoids asks which is the largest, and grey pixels are never met.
        (10, 0.2, 0.16, 0.1, 0.6, "learning"),
        (784, 0.13, 0.095, 0.093, 0.8, "learning"),
        (1, 0.1307, 0.095, 0.094, 0.8131, "learning"),
    ],
)
def test_another_accuracy_does_not_belie_a_loss(units, mean, variance, end, accuracy, expected):
    labels = [{"output": 0, "count": 3000, "mean": mean, "variance": variance}]
    info = classifier("sigmoid", "binary_crossentropy", units, labels=labels)
    epochs = [{"epoch": 0, "steps": 300, "accuracy": accuracy}]
    loss = falling(start=0.69, end=end, noise=0.003)
    assert state(loss, info=info, epochs=epochs) == expected


def test_epochs_without_a_recorded_step():
    epochs = [{"epoch": n, "steps": 10 * n + 10, "loss": 2.3 - n} for n in range(3)]
    run = run_of(falling(), info=classifier(), epochs=epochs)
    nothing = {name: values[:0] for name, values in run.scalars.items()}
    statistics = {name: values[:0] for name, values in run.statistics.items()}
    run = replace(run, steps=run.steps[:0], scalars=nothing, statistics=statistics)
    assert learning_of(run).state == "learning"
    assert diagnose(run) == []


def test_a_rare_class_may_be_learned_at_the_accuracy_of_chance():
    epochs = [{"epoch": 0, "steps": 300, "accuracy": 0.9}]
    info = binary(count=3000, mean=0.1)
    assert state(falling(start=0.7, end=0.2, noise=0.01), info=info, epochs=epochs) == "learning"


@pytest.mark.parametrize(
    ("losses", "weights", "expected"),
    [
        ([1.0, 1.01, 0.99], None, "its output number does not learn"),
        ([1.0, 1.01, 0.99], [1.0, 0.5], "it learns"),
        ([1.0, 0.9, 0.8], None, "it learns"),
        # It falls from epoch to epoch, and is on its way.
        ([3.0, 2.0, 1.2], None, "it learns, but not yet number"),
        ([1.1, 1.05, 1.0, 0.97, 0.971], None, "it learns, but not yet number"),
        ([np.nan, 1.1, 1.05, 1.0], None, "it learns, but not yet number"),
    ],
)
def test_of_two_outputs_both_have_to_learn(losses, weights, expected):
    info = classifier()
    info["outputs"].append({"layer": "number", "units": 1, "activation": "linear"})
    info["labels"].append({"output": 1, "count": 3000, "mean": 0.0, "variance": 1.0})
    info["training"] |= {"loss": ["sparse_categorical_crossentropy", "mse"]}
    info["training"] |= {"loss_weights": weights}
    epochs = [{"epoch": n, "steps": 100 * n + 100, "number_loss": x} for n, x in enumerate(losses)]
    found = learning_of(run_of(falling(start=3.3, end=1.4), info=info, epochs=epochs))
    assert about_learning(found).startswith(f"{expected} (the loss goes from")
    assert found.fails == ("does not learn" in expected)
    assert ("number has a loss of 0.99" in found.reason) == found.fails
    assert found.idle == (("number",) if "number" in expected else ())


def test_of_three_outputs_only_those_that_do_not_fall_are_named():
    """One is on its way, one stays at a constant guess."""
    info = classifier()
    for number, name in enumerate(("falls", "stays"), 1):
        info["outputs"].append({"layer": name, "units": 1, "activation": "linear"})
        info["labels"].append({"output": number, "count": 3000, "mean": 0.0, "variance": 1.0})
    info["training"] |= {"loss": ["sparse_categorical_crossentropy", "mse", "mse"]}
    courses = zip([3.0, 2.0, 1.2], [1.0, 1.01, 0.99], strict=True)
    epochs = [
        {"epoch": n, "steps": 100 * n + 100, "falls_loss": falls, "stays_loss": stays}
        for n, (falls, stays) in enumerate(courses)
    ]
    found = learning_of(run_of(falling(start=4.3, end=2.4), info=info, epochs=epochs))
    assert (found.state, found.idle) == ("not learning", ("stays",))
    assert about_learning(found).startswith("its output stays does not learn (")


def test_the_bias_of_a_gru_does_not_hide_that_nothing_moves():
    """It has two axes and begins with zeros."""
    sizes = {"weight_norm": np.r_[1.0, 1e-9, np.ones(6)], "update_norm": 1e-9}
    run = run_of(flat(), info=classifier(), **sizes, frozen=np.r_[1.0, 0.0, np.ones(6)])
    run.weights.at[1, "shape"] = [2, 24]
    assert learning_of(run).state == "frozen"


def test_steps_far_apart_are_many_steps():
    assert state(flat(30), info=classifier(), every=50) == "not learning"


def test_neighbouring_steps_that_are_alike_count_less():
    random = np.random.default_rng(0)
    hits, widths = 0, []
    for _ in range(200):
        noise = random.normal(size=700)
        series = np.zeros(700)
        for n in range(1, 700):
            series[n] = 0.8 * series[n - 1] + noise[n]
        found = mean_of_series(series[200:])
        hits += found.low <= 0 <= found.high
        widths.append(found.margin / (1.96 * series.std() / np.sqrt(500)))
    assert 180 <= hits <= 199
    # An autoregression of 0.8 has a time of (1 + 0.8) / (1 - 0.8) = 9, three times the width.
    assert np.median(widths) == pytest.approx(3, rel=0.2)


@pytest.mark.parametrize(
    ("info", "guess", "by_chance"),
    [
        (classifier(), GUESS, 0.1),
        (classifier(loss="CategoricalCrossentropy"), GUESS, 0.1),
        (binary(shares=[0.2, 0.8]), 0.5004, 0.8),
        (binary(mean=0.8, variance=0.16), 0.5004, 0.8),
        (regression(variance=4.0), 4.0, np.nan),
        (classifier(loss="hinge"), np.nan, 0.1),
        ({"classes": 10, "trial": {}}, GUESS, 0.1),
        ({}, np.nan, np.nan),
    ],
)  # fmt: skip
def test_the_loss_and_the_accuracy_of_a_constant_guess(info, guess, by_chance):
    run = run_of(flat(), info=info)
    assert constant_guess(run) == pytest.approx(guess, abs=1e-4, nan_ok=True)
    assert chance(run) == pytest.approx(by_chance, nan_ok=True)


@pytest.mark.parametrize(
    ("factors", "guess"),
    [
        (None, GUESS + 4.0),
        ([1.0, 0.1], GUESS + 0.4),
        ({"dense_3": 0.5, "head_1": 1.0}, GUESS / 2 + 4.0),
        ("unknown", np.nan),
    ],
    ids=str,
)
def test_the_losses_of_several_outputs_add_up(factors, guess):
    info = classifier()
    info["training"] |= {"loss": ["sparse_categorical_crossentropy", "mse"]}
    info["training"]["loss_weights"] = factors
    info["outputs"].append({"layer": "head_1", "units": 1, "activation": None})
    info["labels"].append({"output": 1, "count": 3000, "mean": 0.0, "variance": 4.0})
    run = run_of(flat(), info=info)
    assert constant_guess(run) == pytest.approx(guess, nan_ok=True)
    assert constant_guess(run, with_factors=False) == pytest.approx(GUESS + 4.0)


@pytest.mark.parametrize("loss", [["mse", None], {"dense_3": "mse"}], ids=str)
def test_an_output_without_a_loss_is_not_guessed(loss):
    info = regression(variance=4.0)
    info["training"] |= {"loss": loss}
    info["outputs"].append({"layer": "head_1", "units": 1, "activation": None})
    info["labels"].append({"output": 1, "count": 3000, "mean": 0.0, "variance": 9.0})
    info["training"]["loss_weights"] = None
    assert constant_guess(run_of(flat(), info=info)) == pytest.approx(4.0)


def test_labels_beyond_0_and_1_have_no_lowest_crossentropy():
    """Labels of -1 and 1, as for a hinge loss."""
    assert np.isnan(constant_guess(run_of(flat(), info=binary(mean=0.1, variance=0.99))))
    assert constant_guess(run_of(flat(), info=binary(mean=0.5))) == pytest.approx(np.log(2))


def test_labels_of_one_class_have_a_guess_of_zero():
    """A share of float32 may exceed 1, and its entropy is no negative number."""
    info = classifier(labels=[{"output": 0, "count": 300, "shares": [1.0000001]}])
    run = run_of(falling(), info=info)
    assert constant_guess(run) == 0
    assert "a constant guess has 0, as all labels are the same" in about_learning(learning_of(run))


def test_a_loss_that_a_factor_makes_small_is_not_below_that_of_a_guess():
    info = classifier()
    info["training"]["loss_weights"] = [1e-3]
    run = run_of(flat(level=1e-3 * GUESS, noise=1e-5), info=info)
    assert learning_of(run).state == "not learning"
    assert [finding.kind for finding in diagnose(run)][:1] == ["loss too small"]


def test_each_state_has_a_rule():
    assert set(LEARNING_RULES) == {"learning", "not learning", "frozen", "diverged", "unknown"}


def test_a_regression_is_measured_by_its_variance():
    info = with_optimizer(regression(variance=0.5), learning_rate=0.01)
    assert state(flat(level=0.5), info=info) == "not learning"
    assert state(falling(start=1, end=0.3), info=info) == "learning"


def test_a_spike_at_the_start_does_not_hide_that_the_loss_fell():
    loss = falling()
    loss[1] = 130.0
    run = run_of(loss, info=classifier())
    assert losses_of(run).start.low < 0
    assert learning_of(run).state == "learning"
    low = np.full(300, 0.5) + np.random.default_rng(0).normal(0, 0.05, 300)
    low[1] = 130.0
    assert learning_of(run_of(low, info=classifier())).state == "unknown"


def test_a_loss_thrown_up_at_once_is_told_from_before_the_first_update():
    """It went from 2.3 to 14.5, and not from 12 to 14.5."""
    loss = flat(level=14.5)
    loss[:2] = 2.3, 9.0
    learning = learning_of(run_of(loss, info=classifier()))
    assert (learning.state, learning.start.value) == ("not learning", np.float32(2.3))
    assert "goes from 2.3 to 14.5" in about_learning(learning)
    assert "loss 2.3 at the start, 14.5 at the end" in learning.reason
    loss[2:] *= 1e9
    assert learning_of(run_of(loss, info=classifier())).state == "diverged"
    assert learning_of(run_of(falling())).start.value == pytest.approx(falling()[:6].mean())


@pytest.mark.parametrize(("count", "expected"), [(9600, "not learning"), (300, "unknown")])
def test_without_a_guess_the_loss_before_the_first_update_is_the_measure(count, expected):
    """Of a mean absolute error no guess is known. One sample a step may begin with any loss."""
    info = regression(variance=1.0)
    info = {**info, "training": {**info["training"], "loss": "mae"}}
    info["labels"] = [{**info["labels"][0], "count": count}]
    loss = flat(level=0.87)
    loss[:5] = 0.87, 90, 150, 40, 9
    assert state(loss, info=info) == expected
    assert state(falling(start=0.87, end=0.2), info=info) == "learning"


def test_one_sample_a_step_is_one_where_every_tenth_step_is_recorded():
    info = regression(variance=1.0)
    info = {**info, "training": {**info["training"], "loss": "mae"}}
    info["labels"] = [{**info["labels"][0], "count": 3000}]
    loss = flat(level=0.87)
    loss[:5] = 0.87, 90, 150, 40, 9
    run = run_of(loss, info=info)
    assert learning_of(replace(run, steps=10 * run.steps)).state == "unknown"


@pytest.mark.parametrize("first", [1, 64])
def test_the_loss_before_the_first_update_is_that_of_step_0(first):
    """A run that goes on has no such step."""
    loss = flat(level=14.5)
    loss[0] = 2.3
    run = run_of(loss, info=classifier())
    later = learning_of(replace(run, steps=run.steps + first))
    assert later.start.value == pytest.approx(loss[:6].mean(), rel=0.2)


@pytest.mark.parametrize(("needed", "expected"), [(4, "not learning"), (1000, "frozen")])
def test_steps_between_the_updates_of_an_accumulation_are_no_standstill(needed, expected):
    """Of every fourth step none may have an update, though every fourth step has one."""
    info = with_optimizer(classifier(), gradient_accumulation_steps=needed)
    run = run_of(flat(100), info=info, every=4, update_norm=np.nan)
    assert learning_of(run).state == expected


def test_labels_of_one_class_are_the_same_though_their_share_is_rounded():
    """The mean of the shares of 100 batches came to 1 - 8e-16."""
    loss = "sparsecategoricalcrossentropy"
    assert Head("out", 2, "softmax", loss, False, {"shares": [0.0, 1 - 8e-16]}).is_constant
    assert not Head("out", 2, "softmax", loss, False, {"shares": [1e-6, 1 - 1e-6]}).is_constant
