"""Losses that a training step of one's own logs by names such as `d_loss`, and by no other."""

import numpy as np

from keraskip.analysis.numbers import plain
from keraskip.runs import Run

WITHOUT_LOSS = (
    "no loss was recorded: `fit` hands it over, and so does a `train_step` of your own with the "
    'metric `keras.metrics.Mean("loss")`; a loop of your own hands it over by '
    "`step_done(loss=loss)`"
)


def named_losses(run: Run) -> dict[str, np.ndarray]:
    """The finite values over the epochs, by the name in the logs; without validation."""
    known = map(str, run.epochs)
    names = [name for name in known if name.endswith("_loss") and not name.startswith("val_")]
    values = {name: run.epochs[name].to_numpy(float) for name in names}
    finite = {name: each[np.isfinite(each)] for name, each in values.items()}
    return {name: each for name, each in finite.items() if len(each)}


def only_loss(run: Run) -> np.ndarray | None:
    """The one loss of a network that is trained alone; None where there are several, or none."""
    found = list(named_losses(run).values())
    return found[0] if len(found) == 1 and "part" not in run.info else None


def why_unknown(run: Run) -> str:
    """Why nobody can tell by a loss whether a network learns."""
    courses = [
        f"{name} goes from {plain(each[0])} to {plain(each[-1])}"
        if len(each) > 1
        else f"{name} is {plain(each[0])}"
        for name, each in named_losses(run).items()
    ]
    if not courses:
        return WITHOUT_LOSS
    seen = f"{', '.join(courses)} over the epochs"
    if "part" in run.info:
        return f"{seen}; where two networks play against each other, no loss has to fall"
    return (
        f"{seen}; which of them is made small is not known: hand it, or their sum, to the metric "
        '`keras.metrics.Mean("loss")`'
    )
