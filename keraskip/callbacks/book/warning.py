"""Warnings, at the line of the user's own code."""

import sys
import warnings
from collections.abc import Iterator
from types import FrameType

# A step runs deep inside of these.
OF_LIBRARIES = ("keraskip", "keras", "tensorflow", "jax", "torch", "contextlib", "functools")


def warn(message: str) -> None:
    """Warns, and names the call of `fit`, or of the loop, that the warning is about."""
    warnings.warn(message, stacklevel=_level_of_user())


def missing(count: int) -> str:
    """That steps are missing, for the beginning of a sentence."""
    return f"{count} {'step is' if count == 1 else 'steps are'} missing in the record"


def _level_of_user() -> int:
    """For `warn`: the number of frames up to the first one outside of libraries."""
    levels = enumerate(_frames(sys._getframe(1)), 1)
    return next((level for level, name in levels if name not in OF_LIBRARIES), 1)


def _frames(frame: FrameType | None) -> Iterator[str]:
    while frame:
        yield str(frame.f_globals.get("__name__", "")).partition(".")[0]
        frame = frame.f_back
