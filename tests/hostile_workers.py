"""Hands hostile inputs to a process that may hang, die or eat memory, and says what came of each.

A door makes inputs of a kind: `make(draw, folder, samples)` writes what it needs into the folder
and returns a description and an action. Whatever the action leaves must lie in `folder / "target"`.
"""

import contextlib
import io
import multiprocessing
import os
import random
import re
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

OUTCOMES = ("right", "refused", "traceback", "hang", "memory", "silent", "outside",
            "script")  # fmt: skip
GOOD = {"right", "refused"}
MOST_MEMORY = 2**30
# Before the first input a process imports its frameworks.
SECONDS, SECONDS_TO_START = 30, 300
# What a mistake may lead to beyond the allowed memory, so that the machine survives it.
ADDRESSES = 6 * 2**30


@dataclass(frozen=True)
class Door:
    """Where inputs come in.

    Attributes:
        count: how many inputs a whole run tries.
        make: makes one of them, from a generator of random numbers.
        warm: imports and starts what all of them need.
        lacks: the thing that this machine lacks for it, or an empty string.
    """

    count: int
    make: Callable
    warm: Callable = lambda samples: None
    lacks: Callable = lambda: ""


class ManyLinesError(Exception):
    """A refusal that is no single line."""


class SilentError(Exception):
    """Numbers that changed without a word."""


class ScriptError(Exception):
    """A name that a browser has taken for more than a name."""


def typed(*arguments):
    """A command line within this process: raises what it lets through, and for many lines."""
    from keraskip.cli import app

    stdout, stderr = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        try:
            app([str(argument) for argument in arguments])
        except SystemExit as ended:
            code = ended.code or 0
    lines = stderr.getvalue().strip().splitlines()
    # The parser of the command line shows how a command is used.
    is_usage = code == 2 and lines and lines[0].lstrip().startswith("Usage: ")
    if code and not is_usage and len(lines) != 1:
        raise ManyLinesError(f"exit {code} with {len(lines)} lines: {lines[:3]}")
    if code not in (0, 1, 2):
        raise ManyLinesError(f"exit {code}: {lines}")
    if code:
        raise ValueError(lines[-1])


def outcomes(module, name, seed, count, samples):
    """Pairs of an outcome and a description, for each input of a door in its order."""
    context, done = multiprocessing.get_context("spawn"), 0
    while done < count:
        ours, theirs = context.Pipe()
        arguments = (theirs, module, name, seed, range(done, count), samples)
        process = context.Process(target=_work, args=arguments)
        process.start()
        theirs.close()
        limit = SECONDS_TO_START
        try:
            while done < count:
                if not ours.poll(limit):
                    break
                told = ours.recv()
                limit = SECONDS
                if told is not None:
                    yield told
                    done += 1
            else:
                continue
            yield "hang", f"{name} {done}: took more than {limit} s"
        except EOFError:
            yield "traceback", f"{name} {done}: the process died"
        finally:
            process.kill()
            process.join()
        done += 1


def _work(connection, module, name, seed, numbers, samples):
    import importlib

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    door = importlib.import_module(module).DOORS[name]
    # Compiled libraries and servers write where nobody looks; what Python says is caught.
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    door.warm(samples)
    _bound_memory()
    connection.send(None)
    for number in numbers:
        connection.send(_outcome(door, f"{seed} {name} {number}", samples))
    connection.close()


def _outcome(door, label, samples):
    place = Path(tempfile.mkdtemp())
    folder = place / "around" / "inside"
    (folder / "target").mkdir(parents=True)
    os.chdir(folder)
    description = "could not be made"
    try:
        description, action = door.make(random.Random(label), folder, samples)
        before, memory = _outside(place), _memory_anew()
        kind, said = _tried(action)
        grown = _status("VmHWM") - memory
        if kind in GOOD and (new := _outside(place) - before):
            kind, said = "outside", str(sorted(new))
        if kind in GOOD and grown > MOST_MEMORY:
            kind, said = "memory", f"{grown / 1e6:.0f} MB"
    except Exception as error:
        kind, said = "traceback", f"the input itself: {error!r}"
    finally:
        os.chdir(place.parent)
        shutil.rmtree(place, ignore_errors=True)
    return kind, f"{label}: {description}: {said}"


def _tried(action):
    stream = io.StringIO()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(stream):
            warnings.simplefilter("ignore")
            action()
    except SilentError as error:
        return "silent", str(error)
    except ScriptError as error:
        return "script", str(error)
    except (ValueError, TypeError, OSError, ImportError) as error:
        is_short = "\n" not in str(error).strip() and not isinstance(error, UnicodeError)
        return "refused" if is_short else "traceback", f"{type(error).__name__}: {error}"[:500]
    except BaseException as error:
        return "traceback", f"{type(error).__name__}: {error}"[:500]
    return "right", ""


def _outside(place):
    """All that lies beside the target."""
    target = place / "around" / "inside" / "target"
    return {path for path in place.rglob("*") if target != path and target not in path.parents}


def _bound_memory():
    import resource

    # Addresses that are reserved alone do not count: the writer of SVG reserves a terabyte of them.
    size = _status("VmData") + ADDRESSES
    resource.setrlimit(resource.RLIMIT_DATA, (size, size))


def _memory_anew():
    """The memory of now, from which on the most is counted."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _status(name):
    text = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(rf"{name}:\s+(\d+) kB", text)[1])


def counted(module, name, seed, count, samples, tell):
    """How often each outcome came; tells of each that is not good."""
    counts, begun = dict.fromkeys(OUTCOMES, 0), time.monotonic()
    for kind, said in outcomes(module, name, seed, count, samples):
        counts[kind] += 1
        if kind not in GOOD:
            tell(f"{kind}: {said}")
    return counts, time.monotonic() - begun
