"""How the papers trained, and the optimizer that they used."""

from collections.abc import Sequence
from typing import Any

# The learning rate is divided by 10 after these shares of the training.
HALF_AND_THREE_QUARTERS = (0.5, 0.75)
_SGD: dict[str, Any] = {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 1e-4}
_SHIFTED_AND_MIRRORED = {"augment": ("crop", "flip")}

# He et al. 2015, section 4.2: 64,000 steps with 128 of 45,000 images each are 182 epochs.
HE_CIFAR = {
    **_SGD,
    **_SHIFTED_AND_MIRRORED,
    "epochs": 182,
    "batch_size": 128,
    "rate_drops": HALF_AND_THREE_QUARTERS,
}
# The same section: networks of 110 layers or more begin with 400 steps at a tenth of the rate.
WARM_UP, WARMED_FROM = 1 / 160, 110
# Huang et al. 2017, section 4.2.
HUANG_CIFAR = {
    **_SGD,
    **_SHIFTED_AND_MIRRORED,
    "nesterov": True,
    "epochs": 300,
    "batch_size": 64,
    "rate_drops": HALF_AND_THREE_QUARTERS,
}
# He et al. 2016, section 5, and Huang et al. 2017: rate / 10 after 30 and 60 of 90 epochs.
IMAGENET = {
    **_SGD,
    **_SHIFTED_AND_MIRRORED,
    "epochs": 90,
    "batch_size": 256,
    "rate_drops": (1 / 3, 2 / 3),
}


def he_cifar(depth: int) -> dict[str, Any]:
    """The recipe of a plain or residual network of this depth on CIFAR."""
    return {**HE_CIFAR, "warm_up": WARM_UP if depth >= WARMED_FROM else 0.0}


def recipe_of(network: str) -> dict[str, Any]:
    """The published recipe of a network of the zoo, as arguments of a `Trial`.

    Args:
        network: one of `keraskip.list_models()`.

    Raises:
        ValueError: for another name.

    Example:

    >>> recipe_of("resnet110")["batch_size"]
    128
    """
    from keraskip.models.zoo import find

    entry = find(network)
    dense = entry.builder == "build_densenet"
    if entry.arguments.get("stem") == "imagenet":
        return {**IMAGENET, "nesterov": dense}
    return HUANG_CIFAR if dense else he_cifar(entry.arguments["depth"])


def optimizer(
    rate: float,
    momentum: float,
    nesterov: bool,
    weight_decay: float,
    steps: int,
    drops: Sequence[float],
    warm_up: float,
) -> Any:
    """Stochastic gradient descent as in the papers, for a training of `steps` steps."""
    import keras

    ends, rates = [round(share * steps) for share in drops], [rate]
    for _ in drops:
        rates.append(rates[-1] / 10)
    if warm_up:
        ends, rates = [round(warm_up * steps), *ends], [rate / 10, *rates]
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay(ends, rates) if ends else rate

    class DecayedSGD(keras.optimizers.SGD):
        """Adds the decayed weights to the gradient, so that they enter the momentum too.

        The `weight_decay` of Keras bypasses the momentum, which is another method (Loshchilov &
        Hutter 2019). A decay in the loss would change the recorded gradient; this one does not.
        """

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            if weight_decay:
                gradient = keras.ops.add(gradient, keras.ops.multiply(weight_decay, variable))
            super().update_step(gradient, variable, learning_rate)

    return DecayedSGD(schedule, momentum, nesterov, name="sgd")
