"""Argument checks. Each message states the rule, the value received and the nearest valid one."""

import operator
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from itertools import pairwise
from math import inf, isfinite
from numbers import Real
from typing import Any

from keraskip.labels import in_one_line


def check_choice(argument: str, value: object, choices: tuple) -> None:
    """ValueError unless `value` is one of `choices`."""
    # By type as well: True == 1, and a list cannot be looked up in a set.
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        raise ValueError(
            f"{argument} must be one of {choices}. Received: {argument}={value!r}"
            f"{_nearest(value, (choice for choice in choices if isinstance(choice, str)))}"
        )


def check_flag(argument: str, value: object) -> None:
    """TypeError unless `value` is True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"{argument} must be True or False. Received: {argument}={value!r}")


def check_integer(
    argument: str, value: Any, minimum: int | None = None, maximum: int | None = None
) -> int:
    """`value` as an int; TypeError unless it is an integer, of Python or numpy."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{argument} must be an integer. Received: {argument}={value!r}")
    value = operator.index(value)
    if minimum is not None and value < minimum:
        raise ValueError(
            f"{argument} must be at least {minimum}. Received: {argument}={value} "
            f"(nearest: {minimum})"
        )
    if maximum is not None and value > maximum:
        raise ValueError(
            f"{argument} must be at most {maximum}. Received: {argument}={value} "
            f"(nearest: {maximum})"
        )
    return value


def check_integers(argument: str, values: Any) -> tuple[int, ...]:
    """`values` as a tuple of at least one positive int."""
    if not isinstance(values, list | tuple):
        raise TypeError(
            f"{argument} must be a list or tuple of integers. Received: {argument}={values!r}"
        )
    if not values:
        raise ValueError(f"{argument} must have at least one entry. Received: {argument}={values}")
    return tuple(
        check_integer(f"{argument}[{index}]", value, minimum=1)
        for index, value in enumerate(values)
    )


def check_rate(argument: str, value: Any, zero: bool = True) -> float:
    """`value` as a float in [0, 1), with `zero=False` in (0, 1]."""
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        raise TypeError(f"{argument} must be a number. Received: {argument}={value!r}")
    if not (0 <= value < 1 if zero else 0 < value <= 1):
        interval = "[0, 1)" if zero else "(0, 1]"
        nearest = 0.0 if zero else 1.0
        raise ValueError(
            f"{argument} must lie in {interval}. Received: {argument}={value} (nearest: {nearest})"
        )
    return float(value)


def check_usable(argument: str, value: Any, use: Callable[[Any], object], module: Any) -> None:
    """ValueError with close matches unless `use(value)` succeeds.

    `module` is the module of Keras that defines the valid names.
    """
    try:
        use(value)
    except Exception as error:
        names = [
            name for name in dir(module) if name.islower() and name[0] != "_" and name != value
        ]
        raise ValueError(
            f"{argument} must be one of {module.__name__}, or its name, and fit the network. "
            f"Received: {argument}={value!r}{_nearest(value, names)}. {in_one_line(error)}"
        ) from error


def check_choices(
    argument: str, values: object, choices: tuple[str, ...], empty: bool = True
) -> None:
    """ValueError unless `values` is a list or tuple of some of `choices`."""
    if not isinstance(values, list | tuple) or not (values or empty):
        raise ValueError(
            f"{argument} must be a list of any of {choices}. Received: {argument}={values!r}"
        )
    for value in values:
        if value not in choices:
            raise ValueError(
                f"Each of {argument} must be one of {choices}. Received: {argument}={values!r}"
                f"{_nearest(value, choices)}"
            )


def check_number(argument: str, value: Any, minimum: float = -inf, above: float = -inf) -> float:
    """`value` as a finite float; TypeError unless it is a number, of Python or numpy."""
    if not _is_number(value):
        raise TypeError(f"{argument} must be a number. Received: {argument}={value!r}")
    for rule, is_kept in (
        ("be finite", isfinite(value)),
        (f"be at least {minimum:g}", value >= minimum),
        (f"be above {above:g}", value > above),
    ):
        if not is_kept:
            raise ValueError(f"{argument} must {rule}. Received: {argument}={value}")
    return float(value)


def check_rising(argument: str, values: Any, low: float, high: float) -> None:
    """ValueError unless `values` is a list or tuple of rising numbers between `low` and `high`."""
    are_numbers = isinstance(values, list | tuple) and all(map(_is_number, values))
    if not are_numbers or not all(one < other for one, other in pairwise([low, *values, high])):
        raise ValueError(
            f"{argument} must be a list of rising numbers in ({low:g}, {high:g}). "
            f"Received: {argument}={values!r}"
        )


def check_distinct(argument: str, values: Sequence[Any]) -> None:
    """ValueError unless there are values, and no two are equal."""
    if not len(values) or any(value in values[:index] for index, value in enumerate(values)):
        raise ValueError(
            f"{argument} must be different, and at least one. Received: {argument}={[*values]}"
        )


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _nearest(value: object, names: Iterable[str]) -> str:
    matches = get_close_matches(value, list(names)) if isinstance(value, str) else []
    return f" (nearest: {', '.join(matches)})" if matches else ""
