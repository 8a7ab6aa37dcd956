"""Causes that lie in the depth of the network, in its time steps, or in its numbers."""

import numpy as np
import pandas as pd

from keraskip.analysis.causes.frozen import loss_too_small
from keraskip.analysis.causes.rates import with_sound_rate
from keraskip.analysis.evidence import Evidence
from keraskip.analysis.finding import Finding
from keraskip.analysis.shapes import HEALTHY_ORDERS

# Below this many hidden layers there is little to skip.
DEEP = 6
# An interval of the attenuation above this many orders is weak, and up to two orders no more.
WEAK = 0.8
HALF = ("float16", "mixed_float16")
# A kernel of zeros has no logarithm.
TINY_FACTOR = 1e-10


def vanishing(evidence: Evidence) -> Finding | None:
    """A signal that vanishes over depth, in a network that may fail.

    In the first step, before any update, that counts whatever the training has made of it.
    """
    shrinks = evidence.fails and evidence.shrinks_at_start
    if not (shrinks or (evidence.may_fail and evidence.verdict.verdict == "vanishing")):
        return None
    lost = evidence.verdict.at_start if shrinks else evidence.verdict.attenuation
    orders = lost.value if lost else np.nan
    return Finding(
        "vanishing",
        f"The signal shrinks by {orders:.1f} orders of magnitude from the last to the first hidden "
        "layer."
        if orders > HEALTHY_ORDERS
        else f"The signal vanishes: {evidence.verdict.reason}.",
        level(evidence),
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
        level(evidence),
        "Glorot & Bengio 2010; He et al. 2015b",
        evidence={"orders": lost.value},
    )


def exploding(evidence: Evidence) -> Finding | None:
    """A signal that explodes over depth, in a network that may fail.

    The first step is before any update. With batch normalisation a sound network explodes there
    (Yang et al. 2019), so that alone counts only in a network that fails.
    """
    by_weights = _growth_by_weights(evidence)
    if by_weights:
        return by_weights
    grows = evidence.fails and evidence.grows_at_start
    if not (evidence.may_fail and (grows or evidence.verdict.verdict == "exploding")):
        return None
    lost = evidence.verdict.at_start if grows else evidence.verdict.attenuation
    orders = -lost.value if lost else np.nan
    return Finding(
        "exploding",
        f"The signal grows by {orders:.1f} orders of magnitude from the last to the first hidden "
        "layer.",
        level(evidence),
        "Glorot & Bengio 2010; He et al. 2015b; Ioffe & Szegedy 2015",
        evidence={"orders": orders},
    )


def sizes_at_start(evidence: Evidence) -> pd.Series:
    """How many times as large as He et al. 2015b ask for the hidden kernels begin, as log10.

    ReLU layers keep the size of a signal if the RMS of their kernels is sqrt(2 / inputs). Layers
    side by side count as one, so there is one number for each depth.
    """
    run, hidden = evidence.run, evidence.kernels
    depth = run.weights["depth"].to_numpy()
    hidden = hidden[depth[hidden] < depth.max(initial=0)]
    norms = run.weight_norm[:1, hidden].astype(float).sum(axis=0)
    usual = np.sqrt([2.0 * shape[-1] for shape in run.weights["shape"].iloc[hidden]])
    levels = np.log10(np.maximum(norms / usual, TINY_FACTOR))
    return pd.Series(levels).groupby(depth[hidden]).mean()


def _growth_by_weights(evidence: Evidence) -> Finding | None:
    """Kernels too large at the start, where no gradient tells: the output is saturated at once."""
    levels = sizes_at_start(evidence)
    orders = float(levels.sum())
    if not (evidence.fails and orders > HEALTHY_ORDERS and evidence.silent[:1].all()):
        return None
    return Finding(
        "exploding",
        f"The activations grow on their way up: over {len(levels)} hidden layers the kernels begin "
        f"{10 ** levels.mean():.1f} times as large as keeps the size of a signal, by "
        f"{orders:.1f} orders of magnitude in all, and the output is saturated at once.",
        level(evidence),
        "He et al. 2015b, section 2.2",
        steps=evidence.span,
        evidence={"orders": -orders},
    )


def level(evidence: Evidence) -> str:
    """What keeps a signal level over depth.

    Skips alone do not cure all: behind sigmoids hardly anything of the input is left for the
    identity to carry, and plain ReLU branches without normalisation add up and explode. He et al.
    2016 have all three: ReLU with its initialisation, normalisation, and an identity around it.
    """
    weights = evidence.run.weights
    if weights["role"].eq("recurrent_kernel").any():
        return (
            "`x = x + keras.layers.LayerNormalization()(layer(x))` around each hidden layer, with "
            '`activation="tanh"`' + with_sound_rate(evidence)
        )
    start = 'with `activation="relu"` and `kernel_initializer="he_normal"` in it'
    norm = "keras.layers.BatchNormalization()"
    if weights["depth"].nunique() > DEEP:
        return f"`x = x + {norm}(layer(x))` around each hidden layer, {start}" + with_sound_rate(
            evidence
        )
    return f"`x = {norm}(layer(x))` for each hidden layer, {start}" + with_sound_rate(evidence)


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
        _scaled(evidence),
        "Micikevicius et al. 2018, section 3.2",
        steps=evidence.span,
        evidence={"share_of_zeros": zeros, "share_below_float16": small},
    )


def _scaled(evidence: Evidence) -> str:
    if evidence.dtype_policy != "mixed_float16":
        return (
            '`keras.config.set_dtype_policy("mixed_float16")`, which scales the loss and keeps '
            "weights in float32"
        )
    scaled = "`optimizer = keras.optimizers.LossScaleOptimizer(optimizer)`"
    small = loss_too_small(evidence)
    return f"{scaled}, and {small.remedy}" if small else scaled


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
