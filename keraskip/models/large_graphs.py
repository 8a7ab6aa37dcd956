"""Building large graphs: deeper than Python recurses, and without collecting garbage."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import keras

# Enough for the plain network of 1202 layers, where a layer stands for three of Keras' layers.
RECURSION_LIMIT = 20_000
# The limits that those who raised it met, the first one first.
_limits: list[int] = []
_lock = Lock()


def connect(inputs, outputs, name: str) -> keras.Model:
    """The model between two tensors, of any depth.

    Keras walks the graph by recursion, with one call for each layer of the longest path. At depth
    1202 these are more calls than Python allows by default. Since Python 3.11 they need no stack.
    """
    with deep_graphs():
        return keras.Model(inputs, outputs, name=name)


@contextmanager
def deep_graphs() -> Iterator[None]:
    """Raises Python's recursion limit, so that Keras can walk deep graphs.

    Keras' walk, `_build_map_helper` in `keras/src/ops/function.py`, calls itself for each layer.
    The limit is one for all threads, so the last one inside puts it back.
    """
    with _lock:
        _limits.append(sys.getrecursionlimit())
        sys.setrecursionlimit(max(_limits[-1], RECURSION_LIMIT))
    try:
        yield
    finally:
        with _lock:
            limit = _limits.pop()
            if not _limits:
                sys.setrecursionlimit(limit)


@contextmanager
def uncollected() -> Iterator[None]:
    """Pauses garbage collection: building a network creates no garbage.

    The collector would visit every new object again and again, which takes a tenth of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
