"""Causes that lie in the depth of the network, in its time steps, or in its numbers."""

import numpy as np

from keraskip.analysis.causes.frozen import loss_too_small
from keraskip.analysis.causes.level import level, sizes_at_start
from keraskip.analysis.causes.skipping import against_growth, with_skips
from keraskip.analysis.evidence import Evidence
from keraskip.analysis.finding import Finding
from keraskip.analysis.shapes import HEALTHY_ORDERS

# An interval of the attenuation above this many orders is weak, and up to two orders no more.
WEAK = 0.8
MOSTLY = 0.5
HALF = ("float16", "mixed_float16")


def vanishing(evidence: Evidence) -> Finding | None:
    """A signal that vanishes over depth, in a network that may fail.

    The verdict on the signal is *vanishing*: the 95 % interval lies above 2 orders of magnitude (a
    convention). Or the network fails, the interval of the first step alone lies above 2 orders, and
    no hidden gradient is exactly 0 there. The first step is before any update, so it counts
    whatever the training has made of the signal.
    """
    shrinks = evidence.fails and evidence.shrinks_at_start
    if not (shrinks or (evidence.may_fail and evidence.verdict.verdict == "vanishing")):
        return None
    # The table has the number of the verdict.
    is_judged = evidence.verdict.verdict == "vanishing" and evidence.verdict.attenuation
    lost = evidence.verdict.attenuation if is_judged else evidence.verdict.at_start
    orders = lost.value if lost else np.nan
    when = "" if is_judged else " in the first step"
    return Finding(
        "vanishing",
        f"The signal shrinks by {orders:.1f} orders of magnitude from the last to the first hidden "
        f"layer{when}."
        if orders > HEALTHY_ORDERS
        else f"The signal vanishes: {evidence.verdict.reason}.",
        with_skips(evidence),
        "He et al. 2016; Glorot & Bengio 2010; He et al. 2015b",
        evidence={"orders": orders},
    )


def weak_lower_layers(evidence: Evidence) -> Finding | None:
    """A signal that loses about one order or more, in a network that fails.

    The lower end of the 95 % interval of the attenuation lies between 0.8 and 2 orders of
    magnitude; above 2 the signal vanishes. 0.8 is a convention: the first layers then are six times
    slower or more.

    SGD has one learning rate for all layers. Adam and its kin divide by the gradient's size, so it
    is not said of them.
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
        with_skips(evidence),
        "Glorot & Bengio 2010; He et al. 2015b",
        evidence={"orders": lost.value},
    )


def exploding(evidence: Evidence) -> Finding | None:
    """A signal that explodes over depth, in a network that may fail.

    The verdict on the signal is *exploding*: the 95 % interval lies below -2 orders of magnitude (a
    convention). Or the network fails, and the interval of the first step alone lies there. In a
    network that does not fail that says nothing: with batch normalisation a sound one explodes in
    that step, too (Yang et al. 2019).

    Or the network fails, the hidden kernels begin larger than the size of He et al. 2015b by more
    than 2 orders of magnitude over all layers, and all gradients are exactly 0, in the first step
    or in more than 50% of the steps: the output is saturated, and no gradient tells.
    """
    by_weights = _growth_by_weights(evidence)
    if by_weights:
        return by_weights
    grows = evidence.fails and evidence.grows_at_start
    if not (evidence.may_fail and (grows or evidence.verdict.verdict == "exploding")):
        return None
    is_judged = evidence.verdict.verdict == "exploding" and evidence.verdict.attenuation
    lost = evidence.verdict.attenuation if is_judged else evidence.verdict.at_start
    orders = -lost.value if lost else np.nan
    when = "" if is_judged else " in the first step"
    return Finding(
        "exploding",
        f"The signal grows by {orders:.1f} orders of magnitude from the last to the first hidden "
        f"layer{when}.",
        against_growth(evidence),
        "Glorot & Bengio 2010; He et al. 2015b; Ioffe & Szegedy 2015",
        evidence={"orders": orders},
    )


def _growth_by_weights(evidence: Evidence) -> Finding | None:
    """Kernels too large at the start, where no gradient tells: the output is saturated at once.

    Or after the first update, and stays so.
    """
    levels = sizes_at_start(evidence)
    orders = float(levels.sum())
    quiet = np.asarray(evidence.silent.all(axis=1))
    is_quiet = quiet[:1].all() or quiet.mean() > MOSTLY
    if not (evidence.fails and orders > HEALTHY_ORDERS and is_quiet):
        return None
    return Finding(
        "exploding",
        f"The activations grow on their way up: over {len(levels)} hidden layers the kernels begin "
        f"{10 ** levels.mean():.1f} times as large as keeps the size of a signal, by "
        f"{orders:.1f} orders of magnitude in all, and the output is saturated at once.",
        level(evidence),
        "He et al. 2015b, section 2.2",
        steps=evidence.span,
        evidence={"orders": orders},
    )


def half_precision(evidence: Evidence) -> Finding | None:
    """Gradients that underflow in float16 without loss scaling, in a network that fails.

    The policy is `float16` or `mixed_float16`, and the loss scale of the late steps is 1 or
    unknown. In more than 25% of the late gradients of weights the root mean square is below 6e-7,
    ten times the smallest number of float16 (IEEE 754), or the state is *frozen*. 25% is a
    convention.
    """
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
