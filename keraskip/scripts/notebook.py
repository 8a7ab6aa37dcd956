"""The cell magic `%%record`: runs a cell as it is, with every `fit` in it recorded."""

import re
import shlex
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from keraskip.scripts.fits import Fits
from keraskip.scripts.summary import check_folder, summary


def register(shell: Any) -> None:
    """Adds the magic to an IPython shell."""
    magic = partial(record, shell)
    magic.__doc__ = record.__doc__  # for `%%record?`
    shell.register_magic_function(magic, magic_kind="cell", magic_name="record")


def record(shell: Any, line: str, cell: str) -> None:
    """Records every `fit` of a cell, and prints the diagnosis of each at the end.

    %%record [--every N] [--layers REGEX] [--out FOLDER] [--stop]

    It takes the options of the command `keraskip record`. Here `--out` is the folder of the runs
    itself, by default `runs/notebook`.
    """
    options = _parsed(line)
    check_folder(options.out)
    fits = Fits(options.out, options.every, options.layers, options.stop, sys.stdout)
    with fits.recorded():
        result = shell.run_cell(cell)
    error = result.error_before_exec or result.error_in_exec
    fits.say(summary(fits, error is not None, "cell"))
    if error is not None:
        # The cell fails, with the traceback that it has shown already.
        error._render_traceback_ = list
        raise error


class _OptionError(ValueError):
    def _render_traceback_(self) -> list[str]:
        """What IPython shows: one line."""
        return [str(self)]


class _Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Raises, where a program would end."""
        raise _OptionError(f"%%record: {message}")


def _parsed(line: str) -> Namespace:
    parser = _Parser(prog="%%record", add_help=False)
    parser.add_argument("--every", type=_count, default=1)
    parser.add_argument("--layers", type=_pattern)
    parser.add_argument("--out", type=Path, default=Path("runs", "notebook"))
    parser.add_argument("--stop", action="store_true")
    return parser.parse_args(shlex.split(line))


def _count(text: str) -> int:
    """A number of steps."""
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"an integer of at least 1 is needed. Received: {text!r}")
    return int(text)


def _pattern(text: str) -> str:
    """A regular expression."""
    try:
        re.compile(text)
    except re.error as error:
        raise ArgumentTypeError(f"not a regular expression: {error}. Received: {text!r}") from None
    return text
