"""The callbacks that `fit` gets, in any of the forms that it takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras


def listed(callbacks: Any) -> list[keras.callbacks.Callback]:
    """The callbacks as a list, from one, some, none, or a list of Keras' own kind."""
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return callbacks.callbacks
    return keras.tree.flatten(callbacks) if callbacks else []


@contextmanager
def among(
    callback: keras.callbacks.Callback, model: keras.Model, given: dict[str, Any]
) -> Iterator[None]:
    """Adds a callback to those among the arguments of a `fit`, which stay as they are."""
    callbacks = given.get("callbacks")
    if not isinstance(callbacks, keras.callbacks.CallbackList):
        given["callbacks"] = [*listed(callbacks), callback]
        yield
        return
    callback.set_model(model)
    callback.set_params(callbacks.params)
    callbacks.callbacks.append(callback)
    try:
        yield
    finally:
        callbacks.callbacks.remove(callback)
