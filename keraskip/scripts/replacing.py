"""Puts a function in the place of a method, for a while."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any


@contextmanager
def replaced(owner: Any, name: str, act: Callable[..., Any]) -> Iterator[None]:
    """Has a method call `act`, with the method before its arguments, inside of the context."""
    own, original = vars(owner).get(name), getattr(owner, name)

    @wraps(original)
    def method(*args: Any, **kwargs: Any) -> Any:
        return act(original, *args, **kwargs)

    setattr(owner, name, method)
    try:
        yield
    finally:
        if vars(owner).get(name) is not method:  # somebody else has put another in its place
            pass
        elif own is None:
            delattr(owner, name)
        else:
            setattr(owner, name, own)
