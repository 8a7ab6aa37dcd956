"""The rows of the chart of losses."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from made_runs import classifier, falling, flat, run_of
from test_report import INFO

import keraskip
from keraskip.analysis.moments import Moment
from keraskip.report.loss_chart import _losses, loss_chart, shows_more
from keraskip.report.page import as_html


def test_losses_of_steps_are_means_of_stretches():
    loss = falling(600, noise=0.0)
    rows = _losses(run_of(loss, info=classifier()))
    assert len(rows) == 150
    np.testing.assert_allclose(rows["step"][0], 1.5)
    np.testing.assert_allclose(rows["loss"], loss.reshape(150, 4).mean(axis=1), rtol=1e-5)


def test_losses_of_epochs_stand_at_their_last_step_also_where_steps_were_left_out():
    epochs = [
        {"epoch": n, "steps": 10 * (n + 1), "next_step": 40 * (n + 1), "loss": loss}
        for n, loss in enumerate([2.0, float("nan"), 1.0])
    ]
    rows = _losses(run_of(None, steps=30, every=4, info=classifier(), epochs=epochs))
    assert rows["step"].tolist() == [39, 119]
    assert rows["loss"].tolist() == [2.0, 1.0]


def named(run, name):
    return replace(run, path=Path(name))


def test_the_loss_stands_first_where_it_shows_more_than_the_signal():
    well = named(run_of(falling(), info=classifier(), layers=20), "well")
    heights = 10.0 ** (-8 + 0.4 * np.arange(20)).repeat(2)
    ill = run_of(flat(), info=classifier(), layers=20, grad_norm=heights, grad_max=heights)
    assert shows_more(keraskip.compare(well))
    page = as_html(keraskip.compare(replace(well, info={**INFO, **well.info})))
    assert '<h2 id="title-first">Loss by step</h2>' in page
    assert 'id="chart-loss"' not in page
    assert not shows_more(keraskip.compare(named(ill, "ill")))
    assert not shows_more(keraskip.compare(well, named(well, "other")))
    assert not shows_more(keraskip.compare(run_of(None, info=classifier(), layers=20)))


def test_the_axis_reaches_to_the_last_step_also_where_the_loss_ends_before():
    loss = falling(200)
    loss[120:] = np.nan
    chart = loss_chart(keraskip.compare(run_of(loss, info=classifier())), [Moment(0, 0)])
    text = json.dumps(chart)
    assert '"domain": [0, 200.0]' in text
    assert "a constant guess" in text
