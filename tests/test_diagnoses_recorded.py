"""Diagnoses of real trainings: what the recorder writes is what the causes read.

Many more, with their cures: tests/benchmarks/diagnoses.py.
"""

import pytest
from trainings import Recipe, cured, train

from keraskip.analysis.causes import diagnose
from keraskip.analysis.learning import learning_of

SGD = "keras.optimizers.SGD"
TINY = {"units": 8, "epochs": 2}


@pytest.mark.parametrize(
    ("changes", "state", "kind"),
    [
        ({"optimizer": f"{SGD}(1e-9)", "depth": 3}, "frozen", "updates too small"),
        pytest.param(
            {"task": "regression", "head": (1, "relu"), "head_bias": -1e3, "shift": 2.0},
            "not learning",
            "no gradient",
            marks=pytest.mark.slow,
        ),
        (
            {"depth": 8, "activation": "exponential", "initializer": "he_uniform"},
            "diverged",
            "overflow in the first step",
        ),
        pytest.param({"broken_step": 20}, "diverged", "inputs not finite", marks=pytest.mark.slow),
    ],
)
def test_a_fault_is_found_first(tmp_path, changes, state, kind):
    run, share = train(Recipe(**{**TINY, **changes}), tmp_path / "run")
    learning = learning_of(run)
    assert share < 0.15
    assert learning.state == state
    assert diagnose(run, learning=learning)[0].kind == kind


def test_the_remedy_cures_and_a_network_that_learns_has_no_finding(tmp_path):
    recipe = Recipe(epochs=3, optimizer=f"{SGD}(20.0)")
    run, share = train(recipe, tmp_path / "wrong")
    found = diagnose(run)
    assert share < 0.15
    assert found[0].kind == "learning rate too high"
    run, share = train(cured(recipe, found[0]), tmp_path / "right")
    assert share > 0.15
    assert learning_of(run).state == "learning"
    assert diagnose(run) == []
