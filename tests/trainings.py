"""Small trainings by recipe: sound ones, and the same with a fault or with a remedy applied."""

import re
from dataclasses import dataclass, replace
from functools import cache

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits

from keraskip import GradientRecorder, load_run

SAMPLES, BATCH = 1280, 32


@dataclass(frozen=True)
class Recipe:
    """A training. The defaults are sound; a fault or a remedy is another value.

    Attributes:
        family: `dense`, `conv`, `residual`, `rnn` or `autoencoder`.
        depth: number of hidden layers.
        units: their width.
        initializer: of the hidden kernels; a number is the standard deviation of normal ones.
        bad_layer: a hidden layer, and the standard deviation of its kernel.
        dead_layer: a hidden layer whose bias begins with -1e4.
        head: units and activation of the output; None for what the task needs.
        task: `digits`, `binary`, `regression`, `first` (of a long sequence).
        optimizer: the expression that makes it.
        scale: a factor for the inputs, which lie between 0 and 1.
        shift: what is added to the targets of a regression.
        shuffled: whether labels belong to other samples.
        broken_step: a step with NaN in its inputs.
        jump: at half of the epochs, the rate is multiplied by this.
        penalty: L2 on the hidden kernels.
        loss_weight: a factor for the loss.
        cell: the recurrent layer.
    """

    family: str = "dense"
    depth: int = 2
    units: int = 32
    activation: str = "relu"
    initializer: object = "he_normal"
    bias: float = 0.0
    bad_layer: tuple | None = None
    dead_layer: int | None = None
    head: tuple | None = None
    head_bias: float = 0.0
    task: str = "digits"
    loss: object = None
    optimizer: str = "keras.optimizers.SGD(0.1)"
    epochs: int = 8
    scale: float = 1.0
    shift: float = 0.0
    shuffled: bool = False
    broken_step: int | None = None
    jump: float = 1.0
    penalty: float = 0.0
    policy: str = "float32"
    loss_weight: float = 1.0
    normalised: bool = False
    skips: bool = False
    cell: str = "SimpleRNN"
    code: str = ""


TASKS = {
    "digits": ((10, "softmax"), "sparse_categorical_crossentropy"),
    "binary": ((1, "sigmoid"), "binary_crossentropy"),
    "regression": ((1, None), "mse"),
    "first": ((1, None), "mse"),
    "rebuild": ((64, None), "mse"),
}


@cache
def digits():
    x, y = load_digits(return_X_y=True)
    return (x[:SAMPLES] / 16).astype("float32"), y[:SAMPLES].astype("int32")


def data_of(recipe):
    """Inputs and labels."""
    x, y = digits()
    draw = np.random.default_rng(0)
    if recipe.task == "first":
        x = draw.normal(size=(SAMPLES, 150, 4)).astype("float32")
        y = x[:, 0, :1] + x[:, 1, :1]
    elif recipe.task == "binary":
        y = (y < 5).astype("float32")[:, None]
    elif recipe.task == "regression":
        y = (x @ draw.normal(size=(64, 1))).astype("float32")
        y = (y - y.mean()) / y.std()
    elif recipe.task == "rebuild":
        y = (x - x.mean(axis=0)).astype("float32")
    if recipe.task in ("regression", "first"):
        y = y + np.float32(recipe.shift)
    shape = {"conv": (8, 8, 1), "residual": (8, 8, 1), "rnn": (8, 8)}.get(recipe.family)
    if shape and recipe.task != "first":
        x = x.reshape(-1, *shape)
    x = x * np.float32(recipe.scale)
    if recipe.broken_step is not None:
        x = x.copy()
        x.reshape(SAMPLES, -1)[recipe.broken_step * BATCH, 0] = np.nan
    if recipe.shuffled:
        y = y[draw.permutation(SAMPLES)]
    return x, y


def model_of(recipe):
    """The network."""
    keras.config.set_dtype_policy(recipe.policy)
    x, _ = data_of(replace(recipe, broken_step=None))
    h = inputs = keras.Input(x.shape[1:])
    for number in range(recipe.depth):
        h = hidden(recipe, h, number)
    if recipe.family in ("conv", "residual"):
        h = layers.GlobalAveragePooling2D()(h)
    units, activation = recipe.head or TASKS[recipe.task][0]
    bias = keras.initializers.Constant(recipe.head_bias)
    head = layers.Dense(units, activation, bias_initializer=bias, name="head", dtype="float32")
    model = keras.Model(inputs, head(h))
    keras.config.set_dtype_policy("float32")
    return model


def hidden(recipe, h, number):
    """One hidden layer, with its skip and its normalisation."""
    kernel = recipe.initializer
    if recipe.bad_layer and recipe.bad_layer[0] == number:
        kernel = recipe.bad_layer[1]
    if isinstance(kernel, float):
        kernel = keras.initializers.RandomNormal(stddev=kernel)
    bias = -1e4 if recipe.dead_layer == number else recipe.bias
    options = {
        "kernel_initializer": kernel,
        "bias_initializer": keras.initializers.Constant(bias),
        "kernel_regularizer": keras.regularizers.L2(recipe.penalty) if recipe.penalty else None,
        "name": f"hidden_{number}",
    }
    if recipe.family == "rnn":
        last = number == recipe.depth - 1
        activation = "tanh" if recipe.activation == "relu" else recipe.activation
        options["kernel_initializer"] = "glorot_uniform" if kernel == "he_normal" else kernel
        cell = getattr(layers, recipe.cell)
        return cell(recipe.units, activation, return_sequences=not last, **options)(h)
    if recipe.family in ("conv", "residual"):
        options["padding"] = "same"
        out = layers.Conv2D(recipe.units // 2, 3, activation=recipe.activation, **options)(h)
    else:
        out = layers.Dense(recipe.units, recipe.activation, **options)(h)
    if recipe.normalised:
        out = layers.BatchNormalization()(out)
    with_skip = recipe.skips or recipe.family == "residual"
    return h + out if with_skip and h.shape == out.shape else out


def train(recipe, folder, seed=0):
    """Trains; returns the run, and the share that was learned, from below 0 to 1."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    model, (x, y) = model_of(recipe), data_of(recipe)
    names = {"x": x, "y": y, "np": np, "keras": keras}
    exec(f"optimizer = {recipe.optimizer}\n{recipe.code}", names)
    loss = recipe.loss or TASKS[recipe.task][1]
    metrics = ["accuracy"] if recipe.task in ("digits", "binary") else []
    model.compile(
        names["optimizer"], loss, metrics=metrics, auto_scale_loss=False,
        loss_weights=[recipe.loss_weight] if recipe.loss_weight != 1 else None,
    )  # fmt: skip
    probe = (x[:BATCH], y[:BATCH]) if recipe.family == "rnn" else None
    callbacks = [GradientRecorder(folder, on_nonfinite="ignore", probe=probe, verbose=0)]
    if recipe.jump != 1:
        half = recipe.epochs // 2

        def rate(epoch, now):
            return now * (recipe.jump if epoch == half else 1)

        callbacks.append(keras.callbacks.LearningRateScheduler(rate))
    model.fit(names["x"], names["y"], batch_size=BATCH, epochs=recipe.epochs, verbose=0,
              shuffle=False, callbacks=callbacks)  # fmt: skip
    return load_run(folder), learned_share(model, names["x"], names["y"], recipe)


def learned_share(model, x, y, recipe):
    """How far the answers have come from the best constant one (0) to perfect (1)."""
    clean = np.isfinite(x).reshape(len(x), -1).all(axis=1)
    answers = np.asarray(model.predict(x[clean], verbose=0, batch_size=256), float)
    y = y[clean]
    if not np.isfinite(answers).all():
        return float("-inf")
    if recipe.task in ("digits", "binary"):
        truth = y.ravel()
        if answers.shape[1] > 1:
            right = (answers.argmax(axis=1) == truth).mean()
        else:
            limit = 0.0 if (recipe.head or (0, ""))[1] is None else 0.5
            right = ((answers.ravel() > limit) == truth).mean()
        chance = np.bincount(truth.astype(int)).max() / len(truth)
        return float((right - chance) / (1 - chance))
    return float(1 - np.square(answers - y).mean() / np.square(y - y.mean(axis=0)).mean())


def cured(recipe, finding):
    """The recipe with the remedy of a finding applied as it is printed; None if there is none."""
    code = re.findall(r"`([^`]*)`", finding.remedy)
    lines = [part for part in code if re.match(r"(good|x|y|optimizer) = ", part)]
    if finding.remedy.startswith("keep the rate"):
        return replace(recipe, jump=1.0)
    if finding.kind == "late failure" or (lines and lines[0].startswith("optimizer")):
        return replace(recipe, code=lines[0])
    if finding.kind in ("inputs not finite", "inputs too large", "targets too large"):
        return replace(recipe, code=lines[0])
    return (
        replace(recipe, **CHANGES[finding.kind](recipe, finding))
        if finding.kind in CHANGES
        else None
    )


def _depth_remedy(recipe, finding):
    if "x + block" in finding.remedy:
        return {"skips": True}
    return {"activation": "relu", "initializer": "he_normal"}


def _initial_remedy(recipe, _):
    tanh = recipe.activation in ("tanh", "sigmoid") or recipe.family == "rnn"
    return {"initializer": "glorot_uniform" if tanh else "he_normal", "bad_layer": None}


CHANGES = {
    "softmax over one unit": lambda r, f: {"head": (1, "sigmoid"), "loss": "binary_crossentropy"},
    "too few output units": lambda r, f: {"head": None, "loss": None},
    "targets out of reach": lambda r, f: {"head": (1, None), "loss": "mse"},
    "logits taken for probabilities": lambda r, f: {"head": None, "loss": None},
    "probabilities taken for logits": lambda r, f: {"head": (TASKS[r.task][0][0], None)},
    "no softmax with a categorical loss": lambda r, f: {"head": None},
    "units alike": _initial_remedy,
    "weight decay": lambda r, f: {"penalty": 1e-5},
    "overflow in the first step": lambda r, f: {"activation": "relu", "initializer": "he_normal"},
    "exploding": _initial_remedy,
    "vanishing": _depth_remedy,
    "one bad layer": lambda r, f: {"bad_layer": None},
    "no gradient": lambda r, f: (
        {"head": (TASKS[r.task][0][0], None)}
        if "without activation" in f.remedy
        else {"initializer": "glorot_uniform"}
    ),
    "dead layer": lambda r, f: {"dead_layer": None, "bias": 0.0, "initializer": "he_normal"},
    "time": lambda r, f: {"cell": "LSTM"},
}
