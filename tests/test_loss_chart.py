"""The rows of the chart of losses."""

import numpy as np
from made_runs import classifier, falling, run_of

from keraskip.report.loss_chart import _losses


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
