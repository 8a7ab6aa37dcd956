"""Sentences that are true, and cannot be read as something else.

Each test says what is right; the numbers of the runs are made for it.
"""

import numpy as np
import pytest
from made_runs import STEPS, chain, made_run

import keraskip
from keraskip.runs import RunWriter

HEIGHTS = 10.0 ** (-2 + 0.05 * (-1.0) ** np.arange(9))


def sentence(folder, rms=HEIGHTS, *, accuracy=None, kernel_rms=1e-3, info=None, **options):
    epochs = [{"epoch": 0, "steps": STEPS, "accuracy": accuracy}] if accuracy is not None else []
    facts = {**(info or {}), "epochs": epochs}
    run = made_run(folder, chain(len(rms) - 1), rms, kernel_rms, info=facts, **options)
    (found,) = keraskip.compare(run).about_groups
    return found


def test_no_change_is_not_called_a_change(tmp_path):
    """Not "shrinks 1.0-fold, by its interval perhaps not at all"."""
    found = sentence(tmp_path)
    assert "from h8 down to h1 the backward signal keeps its size within 1." in found
    assert "(95 % interval of the fitted line)" in found


def test_a_reason_that_two_networks_share_is_told_once(tmp_path):
    runs = [made_run(tmp_path / name, chain(8), HEIGHTS, 1e-3) for name in ("one", "two")]
    first, second = keraskip.compare(*runs).about_groups
    assert "Whether it learns is unknown (no loss was recorded" in first
    assert "Whether it learns is unknown, as with one." in second


@pytest.mark.parametrize(("count", "expected"), [(1, "1 skipped step."), (2, "2 skipped steps.")])
def test_one_skipped_step_is_one(tmp_path, count, expected):
    odd = np.zeros((STEPS, 2 * len(HEIGHTS)))
    odd[3 : 3 + count] = 1.0
    assert f"NaN or infinite in {expected}" in sentence(tmp_path, grad_nonfinite=odd)


def test_an_interval_says_of_what(tmp_path):
    """Of the line, where there is one; with two hidden layers, over steps."""
    noise = 0.1 * np.random.default_rng(0).normal(size=(STEPS, 1))
    fading = 10.0 ** (-8 + 0.75 * np.arange(9) + 0.05 * (-1.0) ** np.arange(9))
    assert "(95 % interval of the fitted line 1" in sentence(tmp_path / "line", fading)
    two = 10.0 ** (np.array([-6, -2, -2]) + noise * [1, 0, 0])
    run = made_run(tmp_path / "two", chain(2), two)
    assert "(95 % interval over steps 9" in keraskip.compare(run).findings[0]


@pytest.mark.parametrize(
    ("accuracy", "info", "expected"),
    [
        (0.11, {"classes": 10, "train_images": 1000}, "stays at chance (0.11, chance 0.10)"),
        (0.08, {"classes": 10}, "stays at chance (0.08, chance 0.10)"),
        (0.11, {"classes": 10}, "an accuracy of 0.11, where guessing gives 0.10"),
        (0.97, {"classes": 10}, "an accuracy of 0.97, where guessing gives 0.10"),
        (0.97, {}, "an accuracy of 0.97."),
    ],
)
def test_an_accuracy_stands_beside_chance(tmp_path, accuracy, info, expected):
    """0.11 says nothing without the 0.10 of guessing."""
    assert expected in sentence(tmp_path, accuracy=accuracy, info=info)


def test_a_network_that_learns_is_not_only_called_dead(tmp_path):
    """Dead layers and an accuracy of 0.97: both in one sentence."""
    bias = np.where(np.arange(9) < 3, 0, 1e-2)
    kernel = np.where(np.arange(9) < 4, 0, 1e-3)
    found = sentence(tmp_path, bias, kernel_rms=kernel, accuracy=0.97, info={"classes": 10})
    assert " is dead: " in found
    assert " Yet it learns (" in found
    assert "It trains to an accuracy of 0.97, where guessing gives 0.10" in found


def test_no_gradient_is_what_a_network_has(tmp_path):
    """Not "is no gradient"."""
    assert " has no gradient: none leaves the loss" in sentence(
        tmp_path, np.zeros(9), kernel_rms=0.0
    )


@pytest.mark.parametrize(
    ("update", "expected"),
    [
        (1e-3, "19% of the first kernel gets gradients of exactly 0, as with inputs"),
        (1e-8, "It is frozen (updates change nothing"),
    ],
)
def test_dead_pixels_are_no_updates_too_small(tmp_path, update, expected):
    """19 % of the kernel stays as it is: with updates of 1e-3 of it, these are dead pixels."""
    assert expected in sentence(tmp_path, frozen=0.19, update_norm=update)


def test_a_single_step_has_no_interval(tmp_path):
    """Two hidden layers and one step: the ratio is said, and no `nan`."""
    run = made_run(tmp_path / "whole", chain(2), np.array([1e-6, 1e-2, 1e-2]))
    weights, names = run.info["weights"], list(run.statistics)
    writer = RunWriter(tmp_path / "one", {}, weights, names)
    values = np.stack([run.statistics[name][:1] for name in names], axis=-1)
    writer.append(np.arange(1), values)
    comparison = keraskip.compare(tmp_path / "one")
    assert "shrinks 10,000-fold (no interval)" in comparison.findings[0]
    assert "nan" not in comparison.findings[0] + comparison.table()
