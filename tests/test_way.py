"""The way of a gradient in CONTRIBUTING.md is the one that a recorded gradient really takes.

Three small trainings are followed through all functions of the package. Two of them are the same.
In the third the gradients of the lower layers are halved, and nothing else: the learning rate is 0.
A file is passed if a function in it gets or returns another value in the third training. The clock
stands still in all of them, as the second in which each begins is noted in its run.
"""

import dataclasses
import re
import sys
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

import keraskip
from keraskip import GradientRecorder, Run, compare
from keraskip.callbacks.hook import provenance

PACKAGE = Path(keraskip.__file__).parent
MAP = (PACKAGE.parent / "CONTRIBUTING.md").read_text("utf-8")


def contents(value):
    """The numbers and texts in a value that a function gets or returns; runs themselves have none.

    A run is a container of all its numbers, so a function that gets one has not read them yet.
    """
    value = getattr(value, "value", value) if isinstance(value, keras.Variable) else value
    if isinstance(value, Run | Path):
        return None
    if isinstance(value, pd.DataFrame | pd.Series):
        return repr(value.to_numpy().tolist())
    if isinstance(value, dict):
        return [(str(key), contents(each)) for key, each in value.items()]
    if isinstance(value, list | tuple):
        return [contents(each) for each in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [contents(getattr(value, field.name)) for field in dataclasses.fields(value)]
    if hasattr(value, "numpy") or isinstance(value, np.ndarray):
        array = np.asarray(value)
        return None if array.dtype == object else array.tobytes()
    return repr(value) if isinstance(value, float | int | str | np.generic) else None


class Follower:
    """Notes, for each function of the package, what it gets and returns, call by call."""

    def __init__(self):
        self.noted = defaultdict(list)

    def __call__(self, frame, event, returned):
        code = frame.f_code
        if event not in ("call", "return") or not code.co_filename.startswith(str(PACKAGE)):
            return
        sys.setprofile(None)
        try:
            if event == "call":
                names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + 1]
                arguments = [frame.f_locals.get(name) for name in names if name != "self"]
            value = contents(arguments if event == "call" else returned)
        finally:
            sys.setprofile(self)
        self.noted[code.co_filename, code.co_qualname, code.co_firstlineno, event].append(value)


class Noon(datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz=None):
        return cls(2026, 1, 1, 12, tzinfo=UTC)


class Less(keras.layers.Layer):
    """Hands its input on as it is, and a part of the gradient."""

    def __init__(self, share):
        super().__init__()
        self.share = share

    def call(self, inputs):
        part = self.share * inputs
        return part + keras.ops.stop_gradient(inputs - part)


def noted(folder, share):
    """What is noted while a network is trained and its verdict put into a sentence."""
    keras.utils.set_random_seed(0)
    # A kernel of 2^16 elements is measured where it lies, a smaller one in the matrix.
    hidden = [
        keras.layers.Dense(units, "tanh", name=f"hidden_{number}")
        for number, units in enumerate([6, 256, 256, 6])
    ]
    layers = [keras.Input((4,)), *hidden, Less(share), keras.layers.Dense(1, name="output")]
    model = keras.Sequential(layers, name="network")
    # Eagerly, so that the gradients are numbers where they are read.
    model.compile(keras.optimizers.SGD(0.0), "mse", run_eagerly=True)
    x = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
    # With verbose=1 the same files would pass it once more while it trains.
    recorder, follower = GradientRecorder(folder / "run", verbose=0), Follower()
    sys.setprofile(follower)
    try:
        model.fit(x, x[:, :1], batch_size=4, epochs=1, verbose=0, callbacks=[recorder])
        assert compare(folder / "run").about_groups
    finally:
        sys.setprofile(None)
    return follower.noted


def files_passed(tmp_path):
    """The files, below the package, whose functions get or return something of the gradient."""
    first, again, halved = (
        noted(tmp_path / str(number), share) for number, share in enumerate([1.0, 1.0, 0.5])
    )
    moved = {key for key in first if first[key] != halved.get(key)}
    # Such as names of folders and durations.
    other = {key for key in first if first[key] != again.get(key)}
    return {Path(file).relative_to(PACKAGE).as_posix() for file, *_ in moved - other}


def files_of_the_way():
    table = MAP.split("**The way of a gradient.**")[1].split("\n**")[0]
    return re.findall(r"^\| `([\w/]+\.py)` \|", table, re.M)


def files_beside_the_way():
    return re.findall(r"`([\w/]+\.py)`", MAP.split("**Beside the way.**")[1].split("\n\n")[0])


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the map shows this way")
def test_a_gradient_passes_the_files_that_the_map_names_and_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "datetime", Noon)
    way = files_of_the_way()
    assert len(way) <= 12
    assert files_passed(tmp_path) == {*way, *files_beside_the_way()}
