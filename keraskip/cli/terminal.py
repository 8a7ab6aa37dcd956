"""Terminal output that all commands share."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

# The exit code of a tool that SIGPIPE ends, in a shell: 128 + 13.
ENDED_BY_READER = 141


@contextmanager
def bad_input_in_one_line() -> Iterator[None]:
    """Prints an error that the user can mend in one line, and exits with code 2."""
    try:
        yield
    except (ValueError, TypeError, OSError, ImportError) as error:
        print(f"keraskip: {error}", file=sys.stderr)
        raise typer.Exit(2) from None


@contextmanager
def warnings_in_one_line() -> Iterator[None]:
    """Prints warnings like errors, without the line of code that gives them."""
    usual = warnings.formatwarning
    warnings.formatwarning = lambda message, *rest, **more: f"keraskip: {message}\n"
    try:
        yield
    finally:
        warnings.formatwarning = usual


@contextmanager
def ending_with_its_reader() -> Iterator[None]:
    """Ends the command without a word once nobody reads its output, as with `| head`."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # The rest of the output goes nowhere; at its end Python would complain about it.
        with open(os.devnull, "w") as devnull:
            os.dup2(devnull.fileno(), sys.stdout.fileno())
        raise typer.Exit(ENDED_BY_READER) from None


def import_keras_quietly() -> None:
    """Hides the notes on processor and GPU that TensorFlow prints before it reads its log level."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    stderr = os.dup(2)
    with open(os.devnull, "w") as devnull:
        os.dup2(devnull.fileno(), 2)
    try:
        import keras  # noqa: F401
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def waiting(activity: str) -> Any:
    """Shows the activity on a terminal while it lasts."""
    from rich.console import Console

    return Console(stderr=True).status(activity)
