"""What all commands do on a terminal."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer


@contextmanager
def bad_input_in_one_line() -> Iterator[None]:
    """What the user can mend is one line and exit code 2."""
    try:
        yield
    except (ValueError, TypeError, OSError) as error:
        print(f"keraskip: {error}", file=sys.stderr)
        raise typer.Exit(2) from None


def import_keras_quietly() -> None:
    """TensorFlow greets with notes on processor and GPU before its log level counts."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    stderr = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        import keras  # noqa: F401
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def waiting(what: str) -> Any:
    """Says on a terminal what is going on."""
    from rich.console import Console

    return Console(stderr=True).status(what)
