"""Copies of models whose class is the user's: of the same class where it can be made anew."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import takewhile
from typing import Any

import keras

# What a copy does without: it is made of layers, and saved as one.
NOT_NEEDED = ("build", "get_config")


def of_own_class(model: Any, *arguments: Any) -> Any:
    """A model of the user's class, made like one of Keras' own; None if it cannot be."""
    if not any(_own(type(model))):
        return None
    with suppress(Exception):  # its `__init__` takes other arguments
        return type(model)(*arguments, name=model.name)
    return None


def check_nothing_is_lost(model: Any) -> None:
    """Refuses a model that would train or answer in another way as one of Keras' own classes."""
    lost = {
        name
        for kind in _own(type(model))
        for name, method in vars(kind).items()
        if callable(method) and hasattr(keras.Model, name) and not name.startswith("__")
    }
    if lost := lost.difference(NOT_NEEDED):
        raise ValueError(
            "A model with methods of its own keeps them only if its class derives from keras.Model "
            "and is made of (inputs, outputs). "
            f"Received: model {model.name!r} of class {type(model).__name__}, with its own "
            f"{', '.join(sorted(lost))}"
        )


def _own(kind: type) -> Iterator[type]:
    """The user's own classes, up to the first one of Keras."""
    return takewhile(lambda each: not each.__module__.startswith("keras."), kind.__mro__)
