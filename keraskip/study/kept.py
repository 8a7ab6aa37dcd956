"""Keeps a trained network for the next trial, if that differs in nothing but its seed.

Most of a short training is the tracing of its step. TensorFlow traces it once for all seeds of a
network that one process trains, one after the other.
"""

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keraskip.study.trial import Trial

if TYPE_CHECKING:
    import keras

    from keraskip.callbacks.hook.recorder import GradientRecorder


class Kept:
    """The network that was trained last, with its recorder; nothing at first."""

    def __init__(self) -> None:
        self._last: tuple[Trial, keras.Model, GradientRecorder] | None = None

    def put(self, trial: Trial, model: "keras.Model", recorder: "GradientRecorder") -> None:
        """Keeps the network of a trial that has come to its end."""
        import keras

        # Other backends trace nothing, or keep the record among the optimizer's variables. A trial
        # of one's own class may build another network for each seed.
        if keras.backend.backend() == "tensorflow" and type(trial) is Trial:
            self._last = trial, model, recorder

    def taken_for(self, trial: Trial) -> "tuple[keras.Model, GradientRecorder] | None":
        """The network and the recorder, if the trial can go on with them; they are given away."""
        last, self._last = self._last, None
        if last is None or not trial.is_seed_of(last[0]):
            return None
        _, model, recorder = last
        return model, recorder


def begin_anew(model: "keras.Model", fresh: "keras.Model") -> None:
    """Puts a trained model into the state of another one that was built in the same way."""
    for ours, theirs in zip(model.variables, fresh.variables, strict=True):
        ours.assign(theirs.value)
    optimizers = model.optimizer, fresh.optimizer
    for ours, theirs in zip(*(each.variables for each in optimizers), strict=True):
        ours.assign(theirs.value)


def seed_again(seed: int) -> None:
    """Sets the seeds of Python and NumPy, from which Keras makes weights and generators of layers.

    Two things that `keras.utils.set_random_seed` also does are left. It sets TensorFlow's own seed,
    from which no network of a study draws: TensorFlow then forgets how it runs the traced step, and
    works that out once more. And it drops the global `SeedGenerator` and the number that Keras
    keeps beside it, for which Keras has no public call: layers of a study have generators of their
    own, whose states are variables of the model, and `begin_anew` sets these.
    """
    random.seed(seed)
    np.random.seed(seed)


def recorder_for(
    kept: "GradientRecorder | None", folder: Path, info: dict[str, Any], first: int
) -> "GradientRecorder":
    """A recorder of a run that begins, or goes on, with an epoch."""
    from keraskip.callbacks.hook.recorder import GradientRecorder

    if kept is None:
        return GradientRecorder(folder, info=info, overwrite=True, initial_epoch=first, verbose=0)
    kept.begin_anew(folder, info=info, initial_epoch=first)
    return kept
