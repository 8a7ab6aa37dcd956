"""Runs a script or a module as `python` does: as `__main__`, with its arguments and its folder."""

import builtins
import io
import os
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

PACKAGE = Path(__file__).parents[1]
# Their frames are no part of the script's tracebacks.
HERE, HOOK = str(Path(__file__).parent), str(PACKAGE / "callbacks" / "hook")


def run_script(path: str, arguments: Sequence[str]) -> None:
    """Does what `python PATH ARGUMENTS` does, in this process."""
    file = os.path.join(os.getcwd(), path)
    main = _become_main(file, SourceFileLoader("__main__", file))
    _set_first_path(os.path.dirname(os.path.realpath(file)))
    sys.argv[:] = [path, *arguments]
    with io.open_code(file) as source:
        code = compile(source.read(), file, "exec", dont_inherit=True)
    exec(code, vars(main))


def run_module(name: str, arguments: Sequence[str]) -> None:
    """Does what `python -m NAME ARGUMENTS` does, in this process."""
    _set_first_path(os.getcwd())
    sys.argv[:] = ["-m", *arguments]  # as the packages see it in which the module lies
    spec = _spec_of(name)
    loader: Any = spec.loader
    main = _become_main(spec.origin, loader)
    vars(main).update(__spec__=spec, __package__=spec.parent, __cached__=spec.cached)
    sys.argv[0] = str(spec.origin)
    exec(loader.get_code(spec.name), vars(main))


def ended(run: Callable[[], None]) -> BaseException | None:
    """Runs; shows the exception that ends it as Python does, and returns it."""
    try:
        run()
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            print(end.code, file=sys.stderr)
        return end
    except BaseException as error:
        _leave_out_our_frames(error)
        sys.excepthook(type(error), error, error.__traceback__)
        return error
    return None


def _become_main(file: str | None, loader: Any) -> ModuleType:
    """A new `__main__`, where pickle and the processes of multiprocessing look for it."""
    main = sys.modules["__main__"] = ModuleType("__main__")
    if "__mp_main__" in sys.modules:  # multiprocessing, imported before, knows it by this name
        sys.modules["__mp_main__"] = main
    vars(main).update(
        __file__=file,
        __loader__=loader,
        __builtins__=builtins,
        __cached__=None,
        __annotations__={},
    )
    return main


def _set_first_path(folder: str) -> None:
    """Puts the script's folder where that of the command was; with `python -P` there is none."""
    if not sys.flags.safe_path:
        sys.path[0] = folder


def _spec_of(name: str) -> ModuleSpec:
    """Where the code of a module lies; of a package, that of its `__main__`."""
    spec = None
    try:
        spec = find_spec(name)
        if spec and spec.submodule_search_locations is not None:
            spec = find_spec(f"{name}.__main__")
    except ModuleNotFoundError as error:
        if not f"{name}.".startswith(f"{error.name}."):  # a package on the way lacks another one
            raise
    if spec is None or spec.loader is None:
        raise SystemExit(f"keraskip: No module named {name}")
    return spec


def _leave_out_our_frames(error: BaseException) -> None:
    """Leaves the script's frames in the traceback, and in those of the errors that led to it."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            one.__traceback__ = _without_ours(one.__traceback__)
            waiting += [one.__cause__, one.__context__]


def _without_ours(first: TracebackType | None) -> TracebackType | None:
    """The traceback without the frames of this room; the recorder's stay if it is to blame."""
    frames = []
    while first:
        frames.append(first)
        first = first.tb_next
    last = frames[-1].tb_frame.f_code.co_filename if frames else ""
    ours = (HERE,) if last.startswith(str(PACKAGE)) else (HERE, HOOK)
    kept = None
    for frame in reversed(frames):
        if not frame.tb_frame.f_code.co_filename.startswith(ours):
            frame.tb_next = kept
            kept = frame
    return kept
