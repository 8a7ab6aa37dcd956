"""The data of small trainings: what goes in, and the labels."""

from dataclasses import replace
from functools import cache

import numpy as np
from sklearn.datasets import load_digits

SAMPLES, BATCH = 1280, 32
# The shape of a digit for each family; others see 64 numbers.
SHAPES = {
    "conv": (8, 8, 1),
    "residual": (8, 8, 1),
    "unet": (8, 8, 1),
    "rnn": (8, 8),
    "transformer": (8, 8),
}


@cache
def digits():
    x, y = load_digits(return_X_y=True)
    return (x[:SAMPLES] / 16).astype("float32"), y[:SAMPLES].astype("int32")


def data_of(recipe):
    """Inputs and labels, arrays or lists of arrays; no labels for a GAN."""
    draw = np.random.default_rng(0)
    x, y = _task(recipe, draw)
    x, y = [as_list(x), as_list(y)]
    if recipe.task in ("regression", "first"):
        y = [part + np.float32(recipe.shift) for part in y]
    if recipe.family in SHAPES and recipe.task not in ("first", "points"):
        x = [part.reshape(SAMPLES, *SHAPES[recipe.family]) for part in x]
    x = [part * np.float32(recipe.scale) for part in x]
    if recipe.broken_step is not None:
        x[0].reshape(SAMPLES, -1)[recipe.broken_step * BATCH, 0] = np.nan
    if recipe.shuffled:
        y = [_shuffled(part, recipe.shuffled, draw) for part in y]
    return as_given(x), as_given(y)


def clean_data_of(recipe):
    """The same without NaN."""
    return data_of(replace(recipe, broken_step=None))


def _task(recipe, draw):
    x, y = digits()
    if recipe.task == "first":
        x = draw.normal(size=(SAMPLES, recipe.steps, 4)).astype("float32")
        return x, x[:, 0, :1] + x[:, 1, :1]
    if recipe.task == "points":
        return np.float32(draw.normal(size=(SAMPLES, 2)) * [0.7, 0.4] + [1.5, -1.0]), []
    if recipe.task == "pairs":
        return _pairs(x, y, draw)
    if recipe.task == "rebuild":
        target = (x - x.mean(axis=0)).astype("float32")
        return x, target.reshape(-1, 8, 8, 1) if recipe.family == "unet" else target
    if recipe.task == "denoise":
        noisy = x + draw.normal(size=x.shape) * 0.3
        return noisy.astype("float32"), (x - x.mean(axis=0)).reshape(-1, 8, 8, 1)
    if recipe.task == "both":
        return x, [y, _standard(x.sum(axis=1, keepdims=True))]
    if recipe.task == "binary":
        return x, (y < 5).astype("float32")[:, None]
    if recipe.task == "rare":
        return x, (y == 0).astype("float32")[:, None]
    if recipe.task == "regression":
        return x, _standard((x @ draw.normal(size=(64, 1))).astype("float32"))
    return x, y


def _standard(y):
    return ((y - y.mean()) / y.std()).astype("float32")


def _pairs(x, y, draw):
    """Two digits, and whether they are the same; half of the pairs are."""
    other = draw.permutation(SAMPLES)
    for row in np.flatnonzero(draw.random(SAMPLES) < 0.5):
        other[row] = draw.choice(np.flatnonzero(y == y[row]))
    return [x, x[other]], (y == y[other]).astype("float32")[:, None]


def _shuffled(y, share, draw):
    """Labels; a share of them belong to other samples."""
    order = draw.permutation(SAMPLES)
    return np.where((draw.random(SAMPLES) < share).reshape(-1, *[1] * (y.ndim - 1)), y[order], y)


def as_list(value):
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def as_given(parts):
    """One array for itself, several in a list, and None for nothing."""
    return (parts[0] if len(parts) == 1 else parts) if parts else None
