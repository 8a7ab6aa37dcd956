"""Small trainings by recipe: sound ones, and the same with a fault or with a remedy applied.

`recipes.py` has the recipes, `training_data.py` what is learned, `families.py` and `gans.py` have
the networks, and `remedies.py` applies what a finding says.
"""

from contextlib import redirect_stdout
from io import StringIO

import keras
import numpy as np
from families import base_weights, model_of
from first_weights import drawn_by_numpy
from gans import Gan, likeness
from recipes import ACCURATE, Recipe, outputs_of
from remedies import cured
from training_data import BATCH, as_given, as_list, data_of

import keraskip
from keraskip import GradientRecorder, load_run

__all__ = ["Recipe", "cured", "train"]


def train(recipe, folder, seed=0, statistics=()):
    """Trains; returns the run, and the share that was learned, from below 0 to 1."""
    x, y = data_of(recipe)
    probe = (x[:BATCH], y[:BATCH]) if recipe.family == "rnn" and recipe.probed else None
    recorder = GradientRecorder(
        folder, on_nonfinite="ignore", probe=probe, statistics=statistics, verbose=0
    )
    share = learned(recipe, seed, [recorder])
    return load_run(folder), share


def learned(recipe, seed=0, callbacks=()):
    """Trains; returns the share that was learned."""
    keras.utils.clear_session()
    if recipe.family == "transfer":
        base_weights(recipe.drawn)
    keras.utils.set_random_seed(seed)
    (x, y), optimizer = prepared(recipe)
    model = compiled(recipe, optimizer)
    model.fit(x, y, batch_size=BATCH, epochs=recipe.epochs, verbose=0, shuffle=False,
              callbacks=[*callbacks, *_schedule(recipe)])  # fmt: skip
    return learned_share(model, x, y, recipe)


def prepared(recipe):
    """The data and the function that makes the optimizer, after the recipe's code has run.

    The code sees one `x` and one `y` at a time.
    """
    x, y = map(as_list, data_of(recipe))
    names = {}
    for number in range(max(len(x), len(y))):
        names = {"keras": keras, "np": np, "x": x[min(number, len(x) - 1)]}
        names["y"] = y[min(number, len(y) - 1)] if y else None
        exec(f"optimizer = {recipe.optimizer}\n{recipe.code}", names)
        for parts, name in ((x, "x"), (y, "y")):
            if number < len(parts):
                parts[number] = names[name]
    return (as_given(x), as_given(y)), names["optimizer"]


def compiled(recipe, optimizer):
    """The model, ready for training."""
    with drawn_by_numpy(recipe.drawn):
        return _compiled(recipe, optimizer)


def _compiled(recipe, optimizer):
    if recipe.family == "gan":
        model = Gan(recipe)
        model.compile(_alike(optimizer), _alike(optimizer))
        return model
    outputs = outputs_of(recipe)
    model = model_of(recipe, [output[:2] for output in outputs])
    weights = [recipe.loss_weight] * len(outputs) if recipe.loss_weight != 1 else None
    model.compile(
        optimizer,
        as_given([output[2] for output in outputs]),
        metrics=["accuracy"] if recipe.task in ACCURATE else [],
        loss_weights=weights,
        auto_scale_loss=False,
    )
    return _changed(model, recipe)


def _changed(model, recipe):
    """The model after the line that makes another one of it; what the line prints is not shown."""
    names = {"keras": keras, "keraskip": keraskip, "model": model}
    with redirect_stdout(StringIO()):
        exec(recipe.model_code, names)
    return names["model"]


def _alike(optimizer):
    """Another optimizer with the same settings."""
    return type(optimizer).from_config(optimizer.get_config())


def _schedule(recipe):
    """What lets the rate jump at half of the epochs."""
    if recipe.jump == 1:
        return []
    half = recipe.epochs // 2

    def rate(epoch, now):
        return now * (recipe.jump if epoch == half else 1)

    return [keras.callbacks.LearningRateScheduler(rate)]


def learned_share(model, x, y, recipe):
    """How far the answers have come from the best constant one (0) to perfect (1).

    Of several outputs, the one that has come least far counts. Samples with numbers that are not
    finite, in inputs or labels, do not count.
    """
    if recipe.family == "gan":
        return likeness(model, x)
    x, y = as_list(x), as_list(y)
    finite = [np.isfinite(part).reshape(len(part), -1).all(axis=1) for part in (*x, *y)]
    clean = np.all(finite, axis=0)
    if not clean.any():
        return float("-inf")
    given = as_given([part[clean] for part in x])
    answers = as_list(model.predict(given, verbose=0, batch_size=256))
    pairs = zip(answers, y, outputs_of(recipe), strict=True)
    return min(
        _share(np.asarray(answer, float), truth[clean], output[1], recipe.task in ACCURATE)
        for answer, truth, output in pairs
    )


def _share(answers, truth, activation, are_classes):
    if not np.isfinite(answers).all():
        return float("-inf")
    if (truth == truth[0]).all():  # a constant answer is perfect, and none is better
        return 0.0
    if not (are_classes or truth.dtype == np.int32):
        error, spread = np.square(answers - truth), np.square(truth - truth.mean(axis=0))
        return float(1 - error.mean() / spread.mean())
    truth = truth.argmax(axis=1) if truth.ndim > 1 < truth.shape[1] else truth.ravel()
    if answers.shape[1] > 1:
        right = (answers.argmax(axis=1) == truth).mean()
    else:
        right = ((answers.ravel() > (0.0 if activation in (None, "tanh") else 0.5)) == truth).mean()
    chance = np.bincount(truth.astype(int)).max() / len(truth)
    return float((right - chance) / (1 - chance))
