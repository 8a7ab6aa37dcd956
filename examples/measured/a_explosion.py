"""Plain networks with batch norm explode at initialisation and relax after one step."""

import math
import tempfile
from typing import Any

import keras
import numpy as np
from keras import layers

from keraskip import GradientRecorder, load_run
from measured.claim import Agrees, Chart, Claim, Numbers, Outcome
from measured.intervals import Interval, slope, student_of_factor
from measured.networks import batch, digits
from measured.pictures import axis, lines, log_axis
from measured.progress import shown
from measured.verdicts import below, near, together

PER_LAYER = math.pi / (math.pi - 1)
TOLERANCE, RELAXED = 0.1, 0.1
STEPS = {0: "before the first step", 1: "after one step"}


def measure(reduced: bool) -> Outcome:
    """Records the first two steps of plain networks."""
    seeds, depth, width = (range(2), 10, 32) if reduced else (range(8), 40, 384)
    found = [_gradients(seed, depth, width) for seed in shown(seeds, "(a) explosion")]
    return read({"seeds": list(seeds), "norms": found})


def _gradients(seed: int, depth: int, width: int) -> list[list[float]]:
    """The norm of the gradient of each hidden kernel, in steps 0 and 1."""
    model = _network(seed, depth, width)
    x, y = batch(256)
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    with tempfile.TemporaryDirectory() as folder:
        # The raw kernels alone: the first and the last have other sizes.
        recorder = GradientRecorder(folder, layers=r"hidden\d+/kernel", verbose=0, overwrite=True)
        model.fit(x, y, batch_size=128, shuffle=False, verbose=0, callbacks=[recorder])
        return np.asarray(load_run(folder).grad_norm, float).tolist()


def _network(seed: int, depth: int, width: int) -> keras.Model:
    """Fully connected layers, each with batch normalisation and ReLU."""
    keras.utils.set_random_seed(seed)
    parts: list[Any] = [keras.Input(digits().input_shape), layers.Flatten()]
    for number in range(depth):
        name = f"hidden{number}" if number else "entrance"
        dense = layers.Dense(width, use_bias=False, kernel_initializer="he_normal", name=name)
        parts += [dense, layers.BatchNormalization(epsilon=1e-5), layers.ReLU()]
    return keras.Sequential([*parts, layers.Dense(10, activation="softmax")])


def read(numbers: Numbers) -> Outcome:
    """What follows from the numbers."""
    norms = np.array(numbers["norms"])  # [seed, step, layer]
    factor = student_of_factor([_factor(steps[0]) for steps in norms])
    left = student_of_factor([_range(steps[1]) / _range(steps[0]) for steps in norms])
    before = student_of_factor([_range(steps[0]) for steps in norms])
    here = (
        f"squared gradient grows by {factor.text('.3f')} per layer towards the input; largest over "
        f"smallest norm {before.text('.0f')} before the first step, {left.text('.2g')} times this "
        "after it"
    )
    n = f"{len(norms)} networks of {norms.shape[2] + 1} layers"
    return Outcome(here, rule(factor, left), n, numbers["seeds"], numbers, _chart(norms))


def rule(factor: Interval, left: Interval) -> Agrees:
    """The rule in `expected`."""
    low, high = PER_LAYER * (1 - TOLERANCE), PER_LAYER * (1 + TOLERANCE)
    return together([near(factor, low, high), below(left, RELAXED)])


def _factor(norms: np.ndarray) -> float:
    """The factor of the squared norm from a layer to the one before it."""
    return math.exp(-2 * slope(np.arange(len(norms)), np.log(norms)))


def _range(norms: np.ndarray) -> float:
    return float(norms.max() / norms.min())


def _chart(norms: np.ndarray) -> Chart:
    means = np.exp(np.log(norms).mean(axis=0))
    points = [
        {
            "series": name,
            "layer": layer + 2,
            "norm": float(means[step, layer]),
        }
        for step, name in STEPS.items()
        for layer in range(norms.shape[2])
    ]
    y = log_axis("norm", "norm of the kernel's gradient")
    return lines(points, axis("layer", "layer, from the input"), y, list(STEPS.values()))


CLAIM = Claim(
    letter="a",
    title="Plain networks with batch norm explode at initialisation and relax after one step",
    who="Yang et al. 2019",
    source="Yang et al., A mean field theory of batch normalization, arXiv 1902.08129",
    says="In a plain ReLU network with batch normalisation the gradient grows exponentially from "
    "layer to layer towards the input; for large batches and widths the rate falls to "
    "π/(π - 1) = 1.467 per layer (section 3, on ReLU networks). After a single step the "
    "gradients have a dramatically smaller dynamic range (abstract; section 4, Fig. 3).",
    there="rate 1.467 per layer; a dramatically smaller range after one step",
    expected="Expected: the squared norm of the gradient grows by 1.467 per layer, because the "
    "rate of the paper is one of covariances; after one step of gradient descent with rate 0.1 the "
    "largest norm over the smallest is at most a tenth of what it was. The interval of the factor "
    "lies within 10 % of 1.467, and that of the change of the range below 0.1: `yes`. One of the "
    "two: `in part`. Both outside: `no`; else `inconclusive`.",
    how="`GradientRecorder` records two steps of new networks of 40 fully connected layers with "
    "384 units, batch normalisation and ReLU, on batches of 128 digits. All hidden kernels have "
    "the same size, so their norms can be compared. The factor is the slope of the logarithm over "
    "the layer. Interval: Student, of the logarithms, over the seeds.",
    beyond="One learning rate is tried. The paper also reports that in very deep networks the "
    "gradient vanishes towards the input after the step, which is not looked at. Convolutional "
    "networks are not measured here.",
    measure=measure,
    read=read,
)
