"""The optimizers that train a model, and the place in each where gradients are read."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import keras

ON_JAX = keras.backend.backend() == "jax"
# On JAX Keras updates by a function without side effects.
HOOK = "stateless_apply" if ON_JAX else "apply"


class Tap:
    """A reader at an optimizer's `apply`; on JAX, at its `stateless_apply`.

    Args:
        optimizer: the optimizer.
        number: its place among the optimizers that train the model.
        read: called in place of the optimizer's own function, with this tap before its arguments.
        is_live: whether the training that this reads takes a step now, or may take one.

    Attributes:
        apply: the optimizer's own function.
    """

    def __init__(
        self,
        optimizer: keras.optimizers.Optimizer,
        number: int,
        read: Callable[..., Any],
        is_live: Callable[[], bool],
    ) -> None:
        self.optimizer, self.number = optimizer, number
        self._is_live = is_live
        self._former = vars(optimizer).get(HOOK)
        self.apply = getattr(optimizer, HOOK)
        # No method of this class: the gradients go straight to the reader.
        setattr(optimizer, HOOK, partial(read, self))

    def detach(self) -> None:
        """Leaves the optimizer as it was."""
        if self._former is None:
            delattr(self.optimizer, HOOK)
        else:
            setattr(self.optimizer, HOOK, self._former)


def check_free(optimizer: keras.optimizers.Optimizer, model: keras.Model) -> None:
    """Refuses a second recorder of the same steps."""
    hook = vars(optimizer).get(HOOK)
    first = hook.args[:1] if isinstance(hook, partial) else ()
    if any(isinstance(other, Tap) and other._is_live() for other in first):
        raise already_recorded(model)


def already_recorded(model: keras.Model) -> ValueError:
    """The refusal of a second recorder."""
    return ValueError(
        "A model is recorded by one GradientRecorder at a time; take the others out of `callbacks`."
        f" Received: a second one for model {model.name!r}"
    )


def trained_by(model: keras.Model) -> dict[str, keras.optimizers.Optimizer]:
    """The optimizers that may train a model: its own, and those that it or its layers hold.

    They have the names of their attributes, `"optimizer"` first. An optimizer inside of another one
    is a part of it.
    """
    own = getattr(model, "optimizer", None)
    found = {"optimizer": own} if own else {}
    for layer in model._flatten_layers():
        for name, optimizer in _held_by(layer):
            if not any(
                optimizer is known or _contains(known, optimizer) for known in found.values()
            ):
                found[f"{layer.name}/{name}" if name in found else name] = optimizer
    return found


def _contains(optimizer: Any, inner: Any) -> bool:
    """Whether an optimizer hands its gradients on to another one inside of it."""
    inside = [getattr(optimizer, "inner_optimizer", None)]
    inside += getattr(optimizer, "_inner_optimizers", [])
    return any(each is inner or _contains(each, inner) for each in inside if each is not None)


def _held_by(layer: Any) -> Iterator[tuple[str, keras.optimizers.Optimizer]]:
    """The optimizers among a layer's attributes, and in its public lists and dictionaries."""
    for name, value in vars(layer).items():
        members = {"": value}
        if name.startswith("_"):
            pass  # TensorFlow lists all attributes a second time in a private one
        elif isinstance(value, dict):
            members = {f"_{key}": member for key, member in value.items()}
        elif isinstance(value, list | tuple):
            members = {f"_{index}": member for index, member in enumerate(value)}
        for suffix, member in members.items():
            if isinstance(member, keras.optimizers.Optimizer):
                yield f"{name.lstrip('_')}{suffix}", member
