"""Claim (f): a deeper plain network trains worse although its signals do not vanish."""

from functools import partial
from typing import Any

import keras
import numpy as np
from keras import layers

import keraskip
from keraskip import build_plain, build_resnet
from keraskip.data import load_data
from keraskip.runs import Run
from measured.claim import Agrees, Claim, Numbers, Outcome
from measured.colours import BLUE, GREEN, ORANGE, errors_by_name, over, side_by_side
from measured.intervals import Interval, student, student_of_factor
from measured.progress import shown
from measured.training import SHAPE, kernels, rms, train

# A signal that keeps this share of its size through the network has not vanished. Without batch
# normalisation and with sigmoid the share is 1e-12 and less.
KEPT = 0.1
SAMPLES = 256


def measure(reduced: bool) -> Outcome:
    """Trains two plain networks and a residual one with each seed."""
    shallow, deep, epochs, seeds = (8, 14, 1, 2) if reduced else (20, 56, 12, 5)
    builders = {
        "shallow": partial(build_plain, shallow, input_shape=SHAPE),
        "deep": partial(build_plain, deep, input_shape=SHAPE),
        "residual": partial(build_resnet, deep, input_shape=SHAPE),
    }
    rows: list[dict[str, Any]] = []
    for seed in shown(range(seeds), "plain networks of two depths"):
        trained = {name: train(b, seed, epochs) for name, b in builders.items()}
        row: dict[str, Any] = {f"error_{name}": one.train_error for name, one in trained.items()}
        row |= {f"profile_{name}": profile(one.run) for name, one in trained.items()}
        row["backward"] = share_of_first(row["profile_deep"])
        row["forward"] = forward_share(trained["deep"].model)
        row["verdict"] = verdict_of(trained["deep"].run)
        rows.append(row)
    return read({"depths": [shallow, deep], "epochs": epochs, "rows": rows})


def profile(run: Run) -> list[float]:
    """The gradient of each convolution kernel, root mean square, median over all steps."""
    return [float(value) for value in np.median(rms(run)[:, kernels(run)], axis=0)]


def share_of_first(heights: list[float]) -> float:
    """The gradient in the first third of the layers over the last third, as geometric means."""
    logs, third = np.log(heights), len(heights) // 3
    return float(np.exp(logs[:third].mean() - logs[-third:].mean()))


def forward_share(model: keras.Model) -> float:
    """The smallest spread of an activation in the network over the spread of the first one.

    The spread is the standard deviation over samples, mean over pixels and channels: it is 0 where
    all samples look the same.
    """
    activations = [layer for layer in model.layers if isinstance(layer, layers.Activation)]
    looking = keras.Model(model.input, [layer.output for layer in activations])
    images = load_data("digits").train.images[:SAMPLES]
    outputs = [keras.ops.convert_to_numpy(one) for one in looking(images, training=True)]
    spreads = [float(output.std(axis=0).mean()) for output in outputs]
    return min(spreads) / spreads[0]


def verdict_of(run: Run) -> str:
    """What keraskip says of the gradient."""
    (verdict,) = keraskip.compare(run).verdicts
    return verdict.verdict


def rule(gap: Interval, forward: Interval, backward: Interval) -> Agrees:
    """Whether deeper is worse, and both signals are kept, from intervals alone."""
    signals = (forward, backward)
    if gap.low > 0 and all(signal.low > KEPT for signal in signals):
        return "yes"
    if gap.high < 0 or any(signal.high < KEPT for signal in signals):
        return "no"
    return "inconclusive"


def read(numbers: Numbers) -> Outcome:
    """The gap in training error, and how much of both signals is kept."""
    rows, (shallow, deep) = numbers["rows"], numbers["depths"]
    gap = student([row["error_deep"] - row["error_shallow"] for row in rows])
    forward = student_of_factor([row["forward"] for row in rows])
    backward = student_of_factor([row["backward"] for row in rows])
    here = (
        f"training error of depth {deep} minus depth {shallow}: {gap.text('.1f')} points; "
        f"forward signal kept: {forward.text('.2g')}; gradient, first third over last third of "
        f"the layers: {backward.text('.2g')}"
    )
    return Outcome(
        here,
        rule(gap, forward, backward),
        f"{3 * len(rows)} trainings of {numbers['epochs']} epochs",
        list(range(len(rows))),
        numbers,
        chart(numbers),
    )


def chart(numbers: Numbers) -> dict[str, Any]:
    """Training errors, and the gradient over the depth."""
    rows, (shallow, deep) = numbers["rows"], numbers["depths"]
    names = {
        "shallow": f"plain, {shallow} layers",
        "deep": f"plain, {deep} layers",
        "residual": f"residual, {deep} layers",
    }
    colours = dict(zip(names.values(), (BLUE, ORANGE, GREEN), strict=True))
    errors = {name: student([row[f"error_{key}"] for row in rows]) for key, name in names.items()}
    lines = []
    for key, name in names.items():
        heights = np.exp(np.mean([np.log(row[f"profile_{key}"]) for row in rows], axis=0))
        depths = np.linspace(0, 1, len(heights))
        lines += [
            {"name": name, "x": float(x), "y": float(y)}
            for x, y in zip(depths, heights, strict=True)
        ]
    return side_by_side(
        errors_by_name(errors, "training error after the last epoch (%)", colours),
        over(
            lines,
            colours,
            x="place in the network (0 input, 1 output)",
            y="gradient of a kernel (root mean square)",
            log=True,
        ),
    )


CLAIM = Claim(
    letter="f",
    title="A deeper plain network trains worse, and not because signals vanish",
    who="He et al. 2015",
    source="Deep residual learning for image recognition, arXiv 1512.03385",
    says=(
        "Section 4.1: a plain network of 34 layers has a higher training error than one of 18 "
        "(ImageNet); section 4.2 and Fig. 6 find the same on CIFAR-10 for 20 to 56 layers. The "
        "authors call this degradation, and argue that it is unlikely to be caused by vanishing "
        "gradients: with batch normalisation the forward signal has a variance, and they checked "
        "that the norms of the gradient are healthy."
    ),
    there=(
        "validation error on ImageNet 27.94 % with 18 plain layers, 28.54 % with 34; with skips "
        "27.88 % and 25.03 % (Table 2); no number is given for the signals"
    ),
    expected=(
        "The deeper network has the higher training error, its forward signal keeps its size, and "
        "its gradient is larger near the input than near the output rather than smaller. The rule: "
        "*yes* if the interval of the gap in training error lies above 0 and both signals keep "
        f"more than a tenth ({KEPT}) of their size, with their whole intervals; *no* if the gap "
        "lies below 0 or a signal below a tenth; else *inconclusive*."
    ),
    how=(
        "Plain networks of 20 and 56 layers with batch normalisation and ReLU, and a residual one "
        "of 56 for comparison, trained from the same seeds on the digits of scikit-learn: SGD with "
        "rate 0.1, a tenth of it in the last third, momentum 0.9, batches of 64. The gap is taken "
        "seed by seed. Forward: the smallest spread of an activation over the samples, anywhere in "
        "the trained deep network, over the spread of the first one. Backward: the "
        "gradient that `GradientRecorder` measured in the convolution kernels, median over all "
        "steps, in the first third of the layers over the last third. Student's intervals over "
        "seeds; for the two ratios of their logarithms."
    ),
    beyond=(
        "What does cause the degradation. Images of 8x8 pixels and a few hundred steps are far "
        "from ImageNet, and a longer training could close the gap. That a signal has kept its size "
        "does not say that it is of use: see claim (b) on gradients that are large and random. The "
        "spread over samples, pixel by pixel, is a stricter measure of the forward signal than the "
        "paper's variance, which batch normalisation fixes over samples and pixels together."
    ),
    measure=measure,
    read=read,
)
