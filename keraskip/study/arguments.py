"""The arguments of networks in trials, checked before Keras is loaded."""

from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from typing import Any

from keraskip.checks import check_choice, check_flag, check_integer, check_integers, check_rate
from keraskip.models.choices import (
    BLOCKS,
    CONVENTIONS,
    MOST,
    NORMALIZATIONS,
    SHORTCUTS,
    STEMS,
    VARIANTS,
)
from keraskip.study.mlp import NORMALIZATIONS as OF_MLP

Check = Callable[[str, Any], object]
# The trial itself decides these: it trains a classifier of the images of its data set.
DECIDED = (
    "input_shape", "classes", "input_tensor", "include_top", "pooling", "classifier_activation",
)  # fmt: skip
# Names of activations and initializers that need no look into Keras.
ACTIVATIONS = "relu", "tanh", "sigmoid", "elu", "selu", "gelu", "silu", "leaky_relu", "linear"
INITIALIZERS = (
    "he_normal", "he_uniform", "glorot_normal", "glorot_uniform", "orthogonal", "zeros",
)  # fmt: skip
USUAL = {"activation": ACTIVATIONS, "kernel_initializer": INITIALIZERS}


def _optional(check: Check) -> Check:
    return lambda name, value: None if value is None else check(name, value)


def _one_of(choices: tuple) -> Check:
    return lambda name, value: check_choice(name, value, choices)


def _usable(name: str, value: Any) -> None:
    """Loads Keras for a name that is not a usual one."""
    if value is None or (isinstance(value, str) and value in USUAL[name]):
        return
    from keraskip.models.styled_layers import Style

    Style(**{"activation": None, "normalization": None, "kernel_initializer": None, name: value})


def _named(name: str, value: Any) -> None:
    from keraskip.models.names import check_names

    check_names(**{"name": None, "prefix": "", name: value})


def _path(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be the path of a file, or a name. Received: {name}={value!r}")


_count: Check = partial(check_integer, minimum=1, maximum=MOST)
_KEPT: dict[str, Check] = {
    "depth": _optional(_count),
    "stem": _one_of(STEMS),
    "stage_blocks": _optional(check_integers),
    "weights": _optional(_path),
    "activation": _usable,
    "normalization": _one_of(NORMALIZATIONS),
    "kernel_initializer": _usable,
    "conventions": _one_of(CONVENTIONS),
    "name": _optional(_named),
    "prefix": _named,
}
_PLAIN: dict[str, Check] = {
    **_KEPT,
    "variant": _one_of(VARIANTS),
    "block": _one_of((None, *BLOCKS)),
    "filters": _optional(check_integers),
}
ARGUMENTS: dict[str, dict[str, Check]] = {
    "plain": _PLAIN,
    "resnet": {
        **_PLAIN,
        "shortcut": _one_of((None, *SHORTCUTS)),
        "stochastic_depth_rate": check_rate,
        "zero_init_residual": check_flag,
    },
    "densenet": {
        **_KEPT,
        "growth_rate": _optional(_count),
        "bottleneck": _optional(check_flag),
        "compression": _optional(partial(check_rate, zero=False)),
        "dropout_rate": check_rate,
        "memory_efficient": check_flag,
    },
    "mlp": {
        "depth": partial(check_integer, minimum=2, maximum=MOST),
        "units": _count,
        "activation": _usable,
        "kernel_initializer": _usable,
        "normalization": _one_of(OF_MLP),
    },
}


def check_arguments(family: str, arguments: dict[str, Any]) -> None:
    """Checks each argument of a builder by itself; the builder checks them together.

    Args:
        family: one of `ARGUMENTS`.
        arguments: of its builder.

    Raises:
        ValueError: for an argument that the builder does not have, or that the trial decides, and
            for a value that it cannot have.
        TypeError: for a value of another type.
    """
    checks = ARGUMENTS[family]
    for name, value in arguments.items():
        if name in DECIDED:
            raise ValueError(
                f"{name} follows from the data set of a trial, which trains a classifier. "
                f"Received: {name}={value!r}"
            )
        if name not in checks:
            close = ", ".join(get_close_matches(name, checks)) or f"one of {', '.join(checks)}"
            raise ValueError(
                f"A trial has no setting, and a network of family {family!r} no argument, of this "
                f"name. Received: {name}={value!r} (nearest: {close})"
            )
        checks[name](name, value)
