"""The command that records a training script."""

import atexit
import re
import signal
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from keraskip.cli.terminal import bad_input_in_one_line, waiting

# Typer puts one of its own in its place when it begins.
EXCEPTHOOK = sys.excepthook
# After the script's name, options are the script's.
SCRIPT_COMES_LAST = {"allow_interspersed_args": False}


def record(
    script: Annotated[str, typer.Argument(metavar="SCRIPT", help="With -m, a module.")],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="ARGS", help="The script's own.", show_default=False),
    ] = None,
    module: Annotated[
        bool, typer.Option("-m", help="SCRIPT is a module, as in `python -m`.")
    ] = False,
    every: Annotated[int, typer.Option(min=1, help="Record each n-th step.")] = 1,
    layers: Annotated[
        str | None,
        typer.Option(
            metavar="REGEX",
            help="Record the weights whose path has this in it.",
            show_default="all",
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder for the recorded scripts; each gets one in it.")
    ] = Path("runs"),
    stop: Annotated[
        bool, typer.Option("--stop", help="End a training that fails and cannot recover.")
    ] = False,
) -> None:
    """Run a training script as it is, record every fit of Keras in it, and say what is wrong.

    Options stand before SCRIPT; what follows it is the script's. Output, exit code and interrupts
    are the script's, too. What was found goes to stderr.
    """
    from keraskip.scripts.fits import Fits
    from keraskip.scripts.main_module import ended, run_module, run_script
    from keraskip.scripts.summary import summary

    with bad_input_in_one_line():
        folder = _checked(script, module, layers, out)
        fits = Fits(folder, every, layers, stop, sys.stderr)
    sys.excepthook = EXCEPTHOOK
    interrupt = _DeathByInterrupt()
    run = run_module if module else run_script
    with fits.recorded():
        error = ended(partial(run, script, arguments or []))
    with suppress(KeyboardInterrupt):
        with waiting("reading the runs"):
            lines = summary(fits, not isinstance(error, SystemExit | None))
        fits.say(lines)
    interrupt.is_due = isinstance(error, KeyboardInterrupt)
    if error is not None:
        code = error.code if isinstance(error, SystemExit) else 1
        raise SystemExit(code if isinstance(code, int | None) else 1)


def _checked(script: str, module: bool, layers: str | None, out: Path) -> Path:
    """The folder for the runs, once all arguments can be used."""
    from keraskip.scripts.summary import check_folder

    if not module and not Path(script).is_file():
        raise FileNotFoundError(f"There is no file {script}.")
    try:
        re.compile(layers or "")
    except re.error as error:
        raise ValueError(
            f"--layers must be a regular expression: {error}. Received: {layers!r}"
        ) from None
    name = script if module else Path(script).stem
    if name in (".", "..") or name != Path(name).name:
        raise ValueError(
            "The runs lie in a folder that is named as the script, so its name must be more than "
            f"dots, and a module's name have no slash. Received: {script!r}"
        )
    folder = out / name
    check_folder(folder)
    return folder


class _DeathByInterrupt:
    """Ends the process as Python ends one after Ctrl-C, so that the shell knows: by the signal.

    It is made before the script runs, because what is registered first is called last at the exit.
    """

    def __init__(self) -> None:
        self.is_due = False
        atexit.register(self._end)

    def _end(self) -> None:
        if not self.is_due:
            return
        for stream in sys.stdout, sys.stderr:
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.raise_signal(signal.SIGINT)
