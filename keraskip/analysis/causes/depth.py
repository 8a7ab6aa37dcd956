"""Causes that lie in the depth of the network, in its time steps, or in its numbers."""

import numpy as np

from keraskip.analysis.evidence import Evidence
from keraskip.analysis.finding import Finding
from keraskip.analysis.shapes import HEALTHY_ORDERS

# Below this many hidden layers there is little to skip.
DEEP = 6
# An interval of the attenuation above this many orders is weak, and up to two orders no more.
WEAK = 0.8
HALF = ("float16", "mixed_float16")


def vanishing(evidence: Evidence) -> Finding | None:
    """A signal that vanishes over depth, in a network that may fail."""
    if not (evidence.may_fail and evidence.verdict.verdict == "vanishing"):
        return None
    lost = evidence.verdict.attenuation
    orders = lost.value if lost else np.nan
    deep = evidence.run.weights["depth"].nunique() > DEEP
    return Finding(
        "vanishing",
        f"The signal shrinks by {orders:.1f} orders of magnitude from the last to the first hidden "
        "layer."
        if orders > HEALTHY_ORDERS
        else f"The signal vanishes: {evidence.verdict.reason}.",
        "an identity around every two hidden layers, `x = x + block(x)`; if that does not "
        "help, `keras.layers.BatchNormalization()` after each"
        if deep
        else '`activation="relu"` with `kernel_initializer="he_normal"` in the hidden layers',
        "He et al. 2016; Glorot & Bengio 2010; He et al. 2015b",
        evidence={"orders": orders},
    )


def weak_lower_layers(evidence: Evidence) -> Finding | None:
    """A signal that loses more than one order, in a network that fails for no other reason.

    SGD has one learning rate for all layers: the first ones are ten times slower. Adam and its kin
    divide by the gradient's size.
    """
    lost = evidence.verdict.attenuation
    if not evidence.fails or evidence.is_adaptive or lost is None:
        return None
    if not WEAK < lost.low < HEALTHY_ORDERS:
        return None
    return Finding(
        "weak lower layers",
        f"The signal shrinks by {lost.value:.1f} orders of magnitude from the last to the first "
        "hidden layer, so the first layers learn slowly.",
        '`activation="relu"` with `kernel_initializer="he_normal"` in the hidden layers',
        "Glorot & Bengio 2010; He et al. 2015b",
        evidence={"orders": lost.value},
    )


def exploding(evidence: Evidence) -> Finding | None:
    """A signal that explodes over depth, in a network that may fail.

    The first step is before any update. With batch normalisation a sound network explodes there
    (Yang et al. 2019), so that alone counts only in a network that fails.
    """
    at_start = evidence.verdict.at_start
    grows = evidence.fails and at_start is not None and at_start.high < -HEALTHY_ORDERS
    if not (evidence.may_fail and (grows or evidence.verdict.verdict == "exploding")):
        return None
    lost = at_start if grows else evidence.verdict.attenuation
    orders = -lost.value if lost else np.nan
    return Finding(
        "exploding",
        f"The signal grows by {orders:.1f} orders of magnitude from the last to the first hidden "
        "layer.",
        'smaller weights at the start, `kernel_initializer="he_normal"` with ReLU or '
        '`"glorot_uniform"` with tanh, or `keras.layers.BatchNormalization()` after each '
        "hidden layer",
        "Glorot & Bengio 2010; He et al. 2015b; Ioffe & Szegedy 2015",
        evidence={"orders": orders},
    )


def half_precision(evidence: Evidence) -> Finding | None:
    """Gradients that underflow in float16 without loss scaling, in a network that fails."""
    scale = evidence.scalar("loss_scale")[evidence.late]
    is_scaled = bool(np.nanmedian(scale) > 1) if np.isfinite(scale).any() else False
    if evidence.dtype_policy not in HALF or not evidence.fails or is_scaled:
        return None
    silent = evidence.silent[evidence.late]
    zeros = float(silent.mean()) if silent.size else 0.0
    sizes = evidence.run.weights["size"].to_numpy()
    rms = np.nan_to_num(evidence.run.grad_norm[evidence.late]) / np.sqrt(sizes)
    # The smallest number of float16 is 6e-8.
    small = float((rms < 6e-7).mean()) if rms.size else 0.0
    if not (small > 0.25 or evidence.learning.state == "frozen"):
        return None
    return Finding(
        "float16 underflow",
        f"Gradients underflow in {evidence.dtype_policy}: {small:.0%} of the weights have a "
        "gradient below 6e-7, and the loss is not scaled.",
        "`optimizer = keras.optimizers.LossScaleOptimizer(optimizer)`"
        if evidence.dtype_policy == "mixed_float16"
        else '`keras.config.set_dtype_policy("mixed_float16")`, which scales the loss and keeps '
        "weights in float32",
        "Micikevicius et al. 2018, section 3.2",
        steps=evidence.span,
        evidence={"share_of_zeros": zeros, "share_below_float16": small},
    )


def no_way_for_the_gradient(evidence: Evidence) -> Finding | None:
    """Weights that never get a gradient, in a network that fails."""
    run = evidence.run
    if not (evidence.fails and len(run.steps)):
        return None
    never = np.flatnonzero(run.missing.all(axis=0))
    if not len(never):
        return None
    layers = tuple(dict.fromkeys(run.weights["layer"].iloc[never]))
    which = layers[0] if len(layers) == 1 else f"{len(layers)} layers, {layers[0]} first"
    return Finding(
        "cut off",
        f"No gradient ever reaches {which}.",
        "take out what cuts the way from these layers to the loss: `keras.ops.stop_gradient`, "
        "rounding, argmax, or an output without a loss",
        "the chain rule",
        layers=layers,
        steps=evidence.span,
        evidence={"weights": float(len(never))},
    )
