"""What runs say: profiles over depth, their slopes with intervals, and a verdict for each run.

Two signals are read from the gradients of the weights. The gradient of a bias (or of a
normalisation's beta) is the gradient of the loss with respect to that layer's output, summed over
positions: the *backward signal*, which is what vanishes or explodes on its way down. The gradient
of a *kernel* is that signal times the layer's input, and can look healthy while the signal is gone.
Both are compared as root mean squares, RMS = norm / sqrt(elements), since layers differ in size.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from keraskip.runs import Run

SIGNALS = ("backward", "kernel")
BACKWARD_ROLES = ("bias", "beta")

# The share of a run's steps, from its first, that the verdict reads: what keeps a network from
# learning keeps it at the start.
EARLY = 0.1
# Between the first and the last hidden layer a healthy signal stays within two orders of
# magnitude. A convention: SGD gives all layers one learning rate, and with updates more than a
# hundred times smaller the one end stands still at the pace of the other.
HEALTHY_ORDERS = 2.0
# A line needs a third point before its slope has an error.
FEWEST_LAYERS = 3
# Gradients of exactly zero are drawn at the smallest number that float32 holds.
SMALLEST = 2.0**-149

RULE = (
    f"vanishing: the 95 % interval of the attenuation lies above {HEALTHY_ORDERS:g} orders of "
    f"magnitude; exploding: below -{HEALTHY_ORDERS:g}; healthy: between the two; diverged: a "
    "gradient was NaN or infinite; inconclusive: anything else."
)


@dataclass(frozen=True)
class Attenuation:
    """How much smaller the signal is in the first hidden layer than in the last one.

    Attributes:
        orders: powers of ten; negative where the signal grows on its way down.
        low: lower end of the 95 % interval.
        high: upper end.
    """

    orders: float
    low: float
    high: float


@dataclass(frozen=True)
class Verdict:
    """The finding about one run and the numbers behind it.

    Attributes:
        run: name of the run.
        verdict: `vanishing`, `exploding`, `healthy`, `diverged` or `inconclusive`.
        reason: why, in a few words.
        attenuation: of the signal that was judged; None where there is too little to fit.
        signal: which signal that was, `backward` or, in networks without biases, `kernel`.
        first_rms: RMS gradient of the first kernel at step 0.
        first_frozen: share of the first kernel's elements that the early updates left as they were.
        accuracy: of the last epoch, on the training images.
        held_out: the same on the held-out images.
        chance: accuracy of guessing, where the run says how many classes there are.
        at_chance: whether the accuracy is within the 95 % range of guessing; None if unknown.
        steps: number of recorded steps.
    """

    run: str
    verdict: str
    reason: str
    attenuation: Attenuation | None
    signal: str
    first_rms: float
    first_frozen: float
    accuracy: float
    held_out: float
    chance: float
    at_chance: bool | None
    steps: int


def early_steps(run: Run) -> slice:
    """The first steps of a run, at least one."""
    return slice(0, max(1, round(EARLY * len(run.steps))))


def profile(run: Run, signal: str, steps: slice) -> pd.DataFrame:
    """The RMS gradient of each hidden layer, as the geometric mean over some steps.

    The output layer is left out: nothing of the network lies between it and the loss.

    Args:
        run: a run.
        signal: `"backward"` or `"kernel"`.
        steps: which of the recorded steps.

    Returns:
        A frame with `layer`, `path`, `depth`, `rms` and `frozen`, the mean share of unchanged
        elements.
    """
    weights = run.weights
    is_kernel = weights["shape"].map(len) > 1
    chosen = is_kernel if signal == "kernel" else weights["role"].isin(BACKWARD_ROLES)
    chosen &= weights["depth"] < weights["depth"].max()
    rows = weights.loc[chosen, ["layer", "path", "depth"]].copy()
    rms = run.grad_norm[steps][:, chosen] / np.sqrt(weights.loc[chosen, "size"].to_numpy())
    rows["rms"] = np.exp(np.log(np.maximum(rms, SMALLEST)).mean(axis=0))
    # Steps that only accumulate gradients have none.
    rows["frozen"] = pd.DataFrame(run.frozen[steps][:, chosen]).mean().to_numpy()
    # A weight that got no gradient has no statistics.
    return rows.dropna().reset_index(drop=True)


def attenuation(rows: pd.DataFrame) -> Attenuation | None:
    """Fits log10 RMS against depth; the interval is Student's, from the scatter of the layers.

    Args:
        rows: a profile.

    Returns:
        The fall along the fitted line from the deepest to the first layer, or None for a profile
        of fewer than three layers or depths or with gradients that are not finite.
    """
    depth, height = rows["depth"].to_numpy(float), np.log10(rows["rms"].to_numpy())
    if len(np.unique(depth)) < FEWEST_LAYERS or not np.isfinite(height).all():
        return None
    fit = stats.linregress(depth, height)
    span = depth.max() - depth.min()
    margin = stats.t.ppf(0.975, len(depth) - 2) * fit.stderr * span
    orders = fit.slope * span
    return Attenuation(orders, orders - margin, orders + margin)


def judge(run: Run) -> Verdict:
    """The verdict on one run by `RULE`, with its numbers."""
    steps = early_steps(run)
    signal = "backward" if run.weights["role"].isin(BACKWARD_ROLES).sum() > 1 else "kernel"
    found = attenuation(profile(run, signal, steps)) if len(run.steps) else None
    verdict, reason = _verdict(run, found)
    first_rms, first_frozen = _first_kernel(run)
    accuracy, held_out = _accuracies(run)
    return Verdict(
        run=run.name,
        verdict=verdict,
        reason=reason,
        attenuation=found,
        signal=signal,
        first_rms=first_rms,
        first_frozen=first_frozen,
        accuracy=accuracy,
        held_out=held_out,
        chance=1 / run.info["classes"] if "classes" in run.info else np.nan,
        at_chance=_at_chance(run, accuracy),
        steps=len(run.steps),
    )


def _verdict(run: Run, found: Attenuation | None) -> tuple[str, str]:
    if not len(run.steps):
        return "inconclusive", "no step was recorded"
    broken = np.flatnonzero(np.nansum(run.grad_nonfinite, axis=1))
    if len(broken):
        return "diverged", f"a gradient was NaN or infinite, first in step {run.steps[broken[0]]}"
    if found is None:
        return "inconclusive", f"fewer than {FEWEST_LAYERS} hidden layers"
    if found.low > HEALTHY_ORDERS:
        return "vanishing", "the signal shrinks on its way down"
    if found.high < -HEALTHY_ORDERS:
        return "exploding", "the signal grows on its way down"
    if found.low > -HEALTHY_ORDERS and found.high < HEALTHY_ORDERS:
        return "healthy", "the signal keeps its size"
    return "inconclusive", "the interval contains a limit"


def _first_kernel(run: Run) -> tuple[float, float]:
    """RMS gradient at step 0 and early frozen share of the kernel nearest to the input."""
    if not len(run.steps):
        return np.nan, np.nan
    first, early = profile(run, "kernel", slice(0, 1)), profile(run, "kernel", early_steps(run))
    if first.empty:
        return np.nan, np.nan
    return float(first["rms"].iloc[0]), float(early["frozen"].iloc[0])


def _accuracies(run: Run) -> tuple[float, float]:
    """Training and held-out accuracy of the last epoch."""
    last = {} if run.epochs.empty else run.epochs.iloc[-1].to_dict()
    return last.get("accuracy", np.nan), last.get("val_accuracy", np.nan)


def _at_chance(run: Run, accuracy: float) -> bool | None:
    """Whether guessing would give so much or more in one of forty tries."""
    if "classes" not in run.info or np.isnan(accuracy):
        return None
    chance, images = 1 / run.info["classes"], run.info["train_images"]
    return bool(accuracy <= chance + 1.96 * np.sqrt(chance * (1 - chance) / images))
