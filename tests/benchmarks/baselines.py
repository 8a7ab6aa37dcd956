"""The rules of others, on the same records.

SageMaker Debugger, with the default values of its documentation ("List of Debugger built-in
rules", docs.aws.amazon.com/sagemaker/latest/dg/debugger-built-in-rules.html), and AutoTrainer
(Zhang et al. 2021, ICSE; thresholds of `utils/monitor.py` in its repository). What a record lacks
is approximated, as each rule says. SageMaker saves tensors every 500 steps by default; here each
step is looked at, which favours it.
"""

import numpy as np

# The mean absolute value of normal numbers is this share of their root mean square.
MEAN_OF_RMS = np.sqrt(2 / np.pi)
BOTTOM = 1e-45


def sagemaker(run):
    """The names of the rules that fire."""
    return [name for name, rule in SAGEMAKER.items() if rule(run)]


def vanishing_gradient(run):
    """The mean absolute gradient of a tensor is below 1e-7 in a step.

    Approximated by the norm, as if the elements were normal.
    """
    sizes = run.weights["size"].to_numpy()
    means = MEAN_OF_RMS * run.grad_norm / np.sqrt(sizes)
    return bool((means[~run.missing] < 1e-7).any())


def exploding_tensor(run):
    """A tensor has values that are not finite."""
    bad = (np.nan_to_num(run.grad_nonfinite) > 0) | ~np.isfinite(run.weight_norm)
    return bool((bad & ~run.missing).any())


def dead_relu(run):
    """More than 50 % of the units of a layer are active in less than 1 % of the samples.

    Activations are not recorded. Approximated by the gradient of the bias: a unit that no sample
    of a batch activates has a gradient of exactly 0.
    """
    biases = (run.weights["role"] == "bias").to_numpy()
    zeros = run.zeros[:, biases]
    return bool(np.nanmax(zeros, initial=0.0) > 0.5)


def unchanged_tensor(run):
    """A weight stays the same over three steps: `np.allclose` with rtol 1e-5 and atol 1e-8.

    Approximated by the norm of the update beside that of the weight. Biases have a collection of
    their own there.
    """
    limit = 1e-5 * run.weight_norm + 1e-8 * np.sqrt(run.weights["size"].to_numpy())
    same = ((run.update_norm <= limit) & ~run.missing)[:, _kernels(run)]
    return bool((same[:-2] & same[1:-1] & same[2:]).any())


def loss_not_decreasing(run):
    """The loss of a step is not lower by 0.1 % than ten steps before."""
    if not np.isfinite(run.loss).any():
        return False
    loss = run.loss[::10]
    return bool((~(loss[1:] < loss[:-1] * (1 - 0.001))).any())


def weight_update_ratio(run):
    """An update is larger than 10 times the weight, or smaller than 1e-8 of it."""
    ratio = run.update_norm / (run.weight_norm + 1e-9)
    ratio = ratio[:, _kernels(run)]
    ratio = ratio[np.isfinite(ratio)]
    return bool(((ratio > 10) | (ratio < 1e-8)).any())


def _kernels(run):
    return np.flatnonzero(run.weights["shape"].map(len) > 1)


SAGEMAKER = {
    "VanishingGradient": vanishing_gradient,
    "ExplodingTensor": exploding_tensor,
    "DeadRelu": dead_relu,
    "UnchangedTensor": unchanged_tensor,
    "LossNotDecreasing": loss_not_decreasing,
    "WeightUpdateRatio": weight_update_ratio,
}


def autotrainer(run):
    """The names of its training problems; gradients are taken in the first step of each epoch.

    Where an accuracy was recorded, the gradient counts only if it stays below 0.7, as in its code.
    It validates on other samples; here the training samples serve. Its rule for an oscillating
    accuracy is left out, for it is no fault of this battery.
    """
    if not len(run.steps):
        return []
    accuracy = run.epochs["accuracy"].to_numpy() if "accuracy" in run.epochs else np.zeros(1)
    losses = run.epochs["loss"].to_numpy() if "loss" in run.epochs else np.zeros(1)
    found = ["explode"] if _is_broken(run, losses) else []
    if accuracy.max() >= 0.7:
        return found
    found += [name for name, fires in _of_gradients(run).items() if fires][:1]
    is_still = len(accuracy) > 1 and bool(np.diff(accuracy).max() < 0.01)
    return list(dict.fromkeys(found or ["not converging"] * is_still))


def _is_broken(run, losses):
    weights = run.weight_norm[~run.missing]
    is_finite = np.isfinite(losses).all() and np.isfinite(weights).all()
    return not is_finite or np.nansum(run.grad_nonfinite) > 0 or losses[-1] >= 1e5


def _of_gradients(run):
    """Dying ReLU, exploding and vanishing gradients, in the order of its code."""
    per_epoch = max(1, round(len(run.steps) / max(1, len(run.epochs))))
    rows = slice(None, None, per_epoch)
    kernels = _kernels(run)
    order = kernels[np.argsort(run.weights["depth"].to_numpy()[kernels], kind="stable")]
    norms = np.nan_to_num(run.grad_norm[rows][:, order].astype(float))
    if not norms.size:
        return {}
    first, last = norms[:, 0], np.maximum(norms[:, -1], BOTTOM)
    sizes = run.weights["size"].to_numpy()
    zeros = np.nan_to_num(run.zeros[rows]) @ sizes / sizes.sum()
    return {
        "dying relu": (zeros >= 0.7).any(),
        "explode": (first / last > 70).any(),
        "vanish": ((first / last < 1e-3) & (first < 1e-4)).any(),
    }
