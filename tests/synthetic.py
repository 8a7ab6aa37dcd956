"""Runs that are written as arrays: a dense network in which every number is chosen."""

from pathlib import Path

import numpy as np
import pandas as pd

from keraskip.callbacks.columns import STATISTICS
from keraskip.runs import Run

UNITS = 8
CLASSES = 10
GUESS = float(np.log(CLASSES))


def falling(steps=300, start=2.4, end=0.4, noise=0.05):
    """The loss of a network that learns."""
    draw = np.random.default_rng(0).normal(0, noise, steps)
    return end + (start - end) * np.exp(-np.arange(steps) / (steps / 6)) + draw


def flat(steps=300, level=GUESS, noise=0.05):
    """The loss of a network that learns nothing."""
    return level + np.random.default_rng(1).normal(0, noise, steps)


def classifier(activation="softmax", loss="sparse_categorical_crossentropy", units=CLASSES, **more):
    """What `run.json` says about a classifier, with the entries in `more` changed."""
    shares = [1 / CLASSES] * CLASSES
    return {
        "training": {
            "loss": loss,
            "from_logits": False,
            "optimizer": {"class": "SGD", "learning_rate": 0.1, "momentum": 0.0},
            "dtype_policy": "float32",
        },
        "outputs": [{"layer": "dense_3", "units": units, "activation": activation}],
        "labels": [{"output": 0, "count": 3000, "shares": shares}],
        **more,
    }


def regression(activation=None, mean=0.0, variance=1.0, **more):
    """What `run.json` says about a regression."""
    known = classifier(activation, "mse", 1, **more)
    labels = {"output": 0, "count": 3000, "mean": mean, "variance": variance}
    return {**known, "training": {**known["training"], "from_logits": None}, "labels": [labels]}


def with_optimizer(info, **settings):
    """The same facts with other settings of the optimizer."""
    training = info["training"]
    return {**info, "training": {**training, "optimizer": {**training["optimizer"], **settings}}}


def run_of(loss=None, *, steps=None, layers=4, info=None, epochs=(), every=1, **changes):
    """A run of dense layers, each with a kernel and a bias; sound, but for the changes.

    Args:
        loss: of each step, or None for a run that was recorded without.
        steps: number of steps, where there is no loss.
        layers: their number, the output layer included.
        info: of `run.json`.
        epochs: rows of the log.
        every: distance between recorded steps.
        changes: a statistic [S, 2 * layers] (kernels at even columns), or a scalar [S], by name;
            anything that broadcasts to it.
    """
    count = len(loss) if loss is not None else steps or 300
    weights = [_weight(layer, role) for layer in range(layers) for role in ("kernel", "bias")]
    shape = (count, 2 * layers)
    sound = {"grad_norm": 1e-2, "grad_max": 1e-2, "weight_norm": 1.0, "update_norm": 1e-3}
    statistics = {name: np.full(shape, sound.get(name, 0.0), "float32") for name in STATISTICS}
    scalars = {"loss_scale": np.ones(count), "clip_factor": np.ones(count)}
    scalars |= {} if loss is None else {"loss": np.asarray(loss)}
    for name, values in changes.items():
        target = statistics if name in STATISTICS else scalars
        target[name] = np.broadcast_to(values, shape if name in STATISTICS else (count,)).copy()
    facts = {"epochs": list(epochs), "status": "finished", **(info or {})}
    numbers = np.arange(count) * every
    return Run(Path("run"), facts, pd.DataFrame(weights), numbers, statistics, scalars, False)


def _weight(layer, role):
    name = f"dense_{layer}" if layer else "dense"
    shape = [UNITS, UNITS] if role == "kernel" else [UNITS]
    return {"path": f"{name}/{role}", "layer": name, "role": role, "depth": layer + 1,
            "shape": shape, "size": int(np.prod(shape))}  # fmt: skip


def columns(layers, of_layer, kernels=True, biases=True):
    """The factors of a statistic's columns: `of_layer` by layer, 1 where a kind is left out."""
    factors = np.ones(2 * layers)
    for layer, factor in of_layer.items():
        factors[2 * layer : 2 * layer + 1] *= factor if kernels else 1
        factors[2 * layer + 1 : 2 * layer + 2] *= factor if biases else 1
    return factors
