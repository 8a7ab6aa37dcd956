"""Runs whose numbers are made, not recorded: what is wrong with them is known exactly."""

from pathlib import Path

import numpy as np
import pandas as pd

from keraskip.callbacks.columns import STATISTICS
from keraskip.runs import Run

SIZE = 4
STEPS = 60
UNITS = 8
CLASSES = 10
GUESS = float(np.log(CLASSES))


def layer(name, depth, after=(), *, last=False, positions=1, kernel=(2, 2), bias=(SIZE,)):
    """The two rows of a layer with a kernel and a bias, as the recorder writes them."""
    facts = {"layer": name, "depth": depth, "after": list(after), "last": last}
    return [
        {
            "path": f"{name}/{role}",
            "role": role,
            "shape": list(shape),
            "size": int(np.prod(shape)),
            "positions": positions,
            **facts,
        }
        for role, shape in (("kernel", kernel), ("bias", bias))
    ]


def chain(hidden, **options):
    """The layers of a network that is one line: `h1` to `h<hidden>`, then `out`."""
    names = [*(f"h{number}" for number in range(1, hidden + 1)), "out"]
    return [
        layer(name, index + 1, names[index - 1 : index], last=name == "out", **options)
        for index, name in enumerate(names)
    ]


def made_run(path, layers, bias_rms, kernel_rms=1e-3, *, scalars=None, info=None, **statistics):
    """A run of these layers, over `STEPS` steps.

    Args:
        path: its folder, which gives it its name; nothing is written there.
        layers: rows from `layer`.
        bias_rms: RMS gradient of the biases [layers] or [steps, layers]; NaN where there is none.
        kernel_rms: the same of the kernels.
        scalars: numbers of the steps by name.
        info: facts for `run.json`.
        statistics: other statistics of all weights [steps, weights], or one number.
    """
    weights = [row for rows in layers for row in rows]
    rms = np.empty((STEPS, 2 * len(layers)))
    rms[:, 0::2], rms[:, 1::2] = kernel_rms, bias_rms
    is_missing = np.isnan(rms)
    known = {"grad_norm": rms * np.sqrt([row["size"] for row in weights]), "grad_max": rms}
    known |= {"grad_nonfinite": np.where(is_missing, np.nan, 0.0), "weight_norm": 1.0}
    known |= {"update_norm": np.where(is_missing, np.nan, 1e-3), "frozen": 0.0, **statistics}
    return _run(path, weights, np.arange(STEPS), known, scalars or {}, info or {})


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
    sound = {"grad_norm": 1e-2, "grad_max": 1e-2, "weight_norm": 1.0, "update_norm": 1e-3}
    known = {name: changes.pop(name, sound.get(name, 0.0)) for name in STATISTICS}
    scalars = {"loss_scale": 1.0, "clip_factor": 1.0} | ({} if loss is None else {"loss": loss})
    facts = {"epochs": list(epochs), "status": "finished", **(info or {})}
    return _run("run", weights, np.arange(count) * every, known, scalars | changes, facts)


def columns(layers, of_layer, kernels=True, biases=True):
    """The factors of a statistic's columns: `of_layer` by layer, 1 where a kind is left out."""
    factors = np.ones(2 * layers)
    for layer, factor in of_layer.items():
        factors[2 * layer : 2 * layer + 1] *= factor if kernels else 1
        factors[2 * layer + 1 : 2 * layer + 2] *= factor if biases else 1
    return factors


def _weight(layer, role):
    name = f"dense_{layer}" if layer else "dense"
    shape = [UNITS, UNITS] if role == "kernel" else [UNITS]
    return {"path": f"{name}/{role}", "layer": name, "role": role, "depth": layer + 1,
            "shape": shape, "size": int(np.prod(shape))}  # fmt: skip


def _run(path, weights, steps, statistics, scalars, info):
    """The run of these numbers; each may be one number for all steps or weights."""
    shape = (len(steps), len(weights))
    statistics = {
        name: np.broadcast_to(values, shape).astype("float32")
        for name, values in statistics.items()
    }
    scalars = {
        name: np.broadcast_to(values, shape[:1]).astype("float32")
        for name, values in scalars.items()
    }
    info = {"weights": weights, "epochs": [], "probes": [], **info}
    return Run(Path(path), info, pd.DataFrame(weights), steps, statistics, scalars, False)
