"""Runs that lack something: the answer says what could not be judged, and why."""

from dataclasses import replace

import numpy as np
import pytest
from made_runs import STEPS, chain, layer, made_run

from keraskip.report.findings import Findings

SIZES = np.full(5, 1e-2)
FALLING = {"loss": np.linspace(2.4, 0.3, STEPS)}


def sentence(run):
    """All that is said about a run."""
    return " ".join(Findings((run,)).sentences)


def of_rows(run, rows):
    """The same run with some of its steps."""
    return replace(
        run,
        steps=run.steps[rows],
        statistics={name: data[rows] for name, data in run.statistics.items()},
        scalars={name: data[rows] for name, data in run.scalars.items()},
    )


def test_a_run_without_losses_says_so_and_how_to_get_them(tmp_path):
    said = sentence(made_run(tmp_path, chain(4), SIZES))
    assert "Whether it learns is unknown (no loss was recorded: `fit` hands it over" in said
    assert "Remedy" not in said


def test_a_run_without_losses_whose_signal_vanishes_has_that_finding(tmp_path):
    said = sentence(made_run(tmp_path, chain(4), 10.0 ** np.arange(-9, 1, 2)))
    assert "Whether it learns is unknown (no loss was recorded" in said
    assert "The signal shrinks by 6.0 orders" in said


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "no step was recorded"),
        ([0], "1 step is too few to tell"),
        ([0, 1, 2], "3 steps are too few to tell"),
        (range(0, STEPS, 20), "3 steps are too few to tell; `every=1` records all steps"),
    ],
)
def test_few_steps_are_too_few(tmp_path, rows, said):
    run = made_run(tmp_path, chain(4), SIZES, scalars=FALLING)
    assert said in sentence(of_rows(run, np.array(rows, int)))


def test_every_50th_step_is_enough_where_there_are_many(tmp_path):
    run = made_run(tmp_path, chain(4), SIZES, scalars=FALLING)
    run = replace(run, steps=50 * run.steps)
    assert "It learns (the loss goes from 2.33 to 0.638" in sentence(run)


def test_steps_may_be_missing(tmp_path):
    """A stretch that was not recorded counts as time, and not as scatter."""
    run = made_run(tmp_path, chain(4), SIZES, scalars=FALLING)
    kept = np.r_[0:20, 40:STEPS]
    assert "It learns" in sentence(of_rows(run, kept))


def test_an_accuracy_is_said_once_where_learning_is_unknown(tmp_path):
    epochs = [{"epoch": 0, "steps": STEPS, "accuracy": 0.12}]
    info = {"classes": 10, "epochs": epochs}
    run = made_run(tmp_path, chain(4), SIZES, scalars={"loss": 2.3}, info=info)
    said = sentence(replace(of_rows(run, np.arange(30)), info={**run.info, **info}))
    assert "Whether it learns is unknown (30 steps are too few to tell; loss 2.3" in said
    assert "accuracy 0.12" not in said


def test_a_run_of_one_weight(tmp_path):
    run = made_run(tmp_path, [layer("out", 1, last=True)], [1e-2], scalars=FALLING)
    kernel = {name: data[:, :1] for name, data in run.statistics.items()}
    run = replace(run, weights=run.weights[:1], statistics=kernel)
    assert "the only layer gets its gradient from the loss itself" in sentence(run)


def test_layers_that_were_left_out_are_counted(tmp_path):
    """The first two of four hidden layers, as with `layers="h[12]"`."""
    run = made_run(tmp_path, chain(4)[:2], SIZES[:2], scalars=FALLING, info={"depth": 5})
    said = sentence(run)
    assert "Not judged: 3 of 5 layers in a row were not recorded." in said
    one = made_run(tmp_path / "one", chain(4)[1:], SIZES[1:], scalars=FALLING, info={"depth": 5})
    assert "Not judged: 1 of 5 layers in a row was not recorded." in sentence(one)
    whole = made_run(tmp_path / "whole", chain(4), SIZES, scalars=FALLING, info={"depth": 5})
    assert "recorded" not in sentence(whole)
