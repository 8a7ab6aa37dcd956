"""Terminal output that all commands share."""

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from keraskip.labels import in_one_line, visible

# The exit code of a tool that SIGPIPE ends, in a shell: 128 + 13.
ENDED_BY_READER = 141


@contextmanager
def bad_input_in_one_line() -> Iterator[None]:
    """Prints an error that the user can mend in one line, and exits with code 2."""
    try:
        yield
    except (ValueError, TypeError, OSError, ImportError) as error:
        print(f"keraskip: {in_one_line(error)}", file=sys.stderr)
        raise typer.Exit(2) from None


@contextmanager
def warnings_in_one_line() -> Iterator[None]:
    """Prints warnings like errors, without the line of code that gives them."""
    usual = warnings.formatwarning
    warnings.formatwarning = lambda message, *rest, **more: f"keraskip: {in_one_line(message)}\n"
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
    """Imports Keras without the notes of its backend on processor and GPU."""
    with quiet():
        import keras  # noqa: F401


@contextmanager
def quiet() -> Iterator[None]:
    """Hides what compiled libraries print, such as TensorFlow's notes on processor and GPU.

    Python's errors and warnings are still shown, other than logs of TensorFlow and tf2onnx.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for name in ("tensorflow", "tf2onnx"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    shown, terminal = sys.stderr, os.dup(2)
    if _writes_to(shown, 2):
        # Loggers that are made in here keep this stream, so nobody closes it.
        sys.stderr = open(os.dup(2), "w", buffering=1, closefd=False)  # noqa: SIM115
    with open(os.devnull, "w") as devnull:
        os.dup2(devnull.fileno(), 2)
    try:
        yield
    finally:
        sys.stderr = shown
        os.dup2(terminal, 2)
        os.close(terminal)


def _writes_to(stream: Any, number: int) -> bool:
    """Whether a stream is the file of that number; false for one in memory."""
    try:
        return bool(stream.fileno() == number)
    except (OSError, AttributeError):
        return False


def waiting(activity: str) -> Any:
    """Shows the activity on a terminal while it lasts."""
    from rich.console import Console
    from rich.text import Text

    return Console(stderr=True).status(Text(visible(activity)))
