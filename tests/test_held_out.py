"""What is said of held-out samples, beside a network that learns its training samples."""

import numpy as np
import pytest
from made_runs import GUESS, classifier, falling, flat, regression, run_of

from keraskip.analysis.learning import learning_of
from keraskip.analysis.numbers import beside, plain
from keraskip.analysis.words import about_learning
from keraskip.report.diagnoses import learning_words
from keraskip.report.files import _learning


def validated(losses, accuracies=None, info=None, loss=None):
    """What is known of a network that learns, with validation in each epoch."""
    epochs = [{"epoch": n, "steps": 60 * n + 60, "val_loss": x} for n, x in enumerate(losses)]
    for row, accuracy in zip(epochs, accuracies or [], strict=False):
        row["val_accuracy"] = accuracy
    loss = falling() if loss is None else loss
    return learning_of(run_of(loss, info=info or classifier(), epochs=epochs))


@pytest.mark.parametrize(
    ("losses", "accuracies", "expected"),
    [
        ([2.2, 2.4, 2.6, 3.1], [0.12, 0.14, 0.1, 0.12], True),  # learned by heart
        ([2.2, 1.6, 2.6, 3.1, 3.2], [0.2, 0.4, 0.4, 0.41, 0.4], False),  # usual overfitting
        ([2.2, 1.6, 1.2, 1.3], [0.2, 0.4, 0.5, 0.5], False),
        ([2.4, 2.5, 2.6, 2.1], [0.1, 0.1, 0.1, 0.1], False),  # better in the end
        ([2.4, 2.6], [0.1, 0.1], False),  # too short
        ([np.nan, 2.4, np.nan, 2.6, np.nan, 3.0], [np.nan, 0.1] * 3, True),
        ([2.4, 2.5, 2.6], None, True),
        # Answers that are too sure may be right, and no accuracy tells.
        ([2.1, 1.8, 2.6, 3.4, 3.6], None, False),
    ],
)
def test_a_network_that_learned_its_samples_by_heart(losses, accuracies, expected):
    learning = validated(losses, accuracies)
    assert learning.state == "learning"
    assert bool(learning.held_out) == expected


def test_the_words_name_both():
    said = about_learning(validated([2.4, 2.5, 2.6], [0.1, 0.1, 0.12]))
    assert said.startswith("it learns its training samples (the loss goes from ")
    guess = "and on held-out ones it is no better than a constant guess"
    assert said.endswith(f", {guess} (loss 2.6, accuracy 0.12)")
    said = about_learning(validated([1.1, 1.2, 1.3], info=regression(), loss=falling(start=1.3)))
    assert said.endswith(f", {guess} (loss 1.3)")


def test_nothing_is_said_where_the_training_fails_or_a_guess_is_unknown():
    assert validated([2.4] * 3, [0.1] * 3, loss=flat()).held_out is None
    assert validated([2.4] * 3, [0.1] * 3, info={"training": {"loss": "own"}}).held_out is None
    weighted = classifier()
    weighted["labels"][0]["weighted"] = True
    assert validated([2.4] * 3, [0.1] * 3, info=weighted).held_out is None


def test_the_data_of_a_report_have_both_numbers_and_no_nan():
    known = _learning(validated([2.4, 2.5, 2.6]))
    assert known["held_out"] == {"loss": 2.6, "accuracy": None}
    assert _learning(validated([0.4] * 3))["held_out"] is None


def test_over_seeds_all_have_to_be_no_better():
    bad = [validated([2.4, 2.4, level], [0.1] * 3) for level in (2.4, 2.6)]
    assert "(loss 2.5, accuracy 0.10)" in learning_words(bad)
    good = validated([GUESS / 2] * 3, [0.8] * 3)
    assert "held-out" not in learning_words([bad[0], good])


@pytest.mark.parametrize(
    ("value", "digits", "expected"),
    [
        (0.00123, 1, "0.001"),
        (2.302585, 3, "2.3"),
        (120.4, 2, "120"),
        (3217.8, 4, "3,218"),
        (119_234.5, 3, "119,000"),
        (-4_880.4, 3, "-4,880"),
        (1.04e11, 3, "1.04e+11"),
        (np.inf, 3, "inf"),
    ],
)
def test_numbers_have_no_exponent_up_to_a_million(value, digits, expected):
    assert plain(value, digits) == expected


def test_what_is_larger_than_the_whole_is_so_many_times_it():
    assert beside(0.21, "itself", 2) == "0.21 of itself"
    assert beside(118.7, "itself", 2) == "120 times itself"
