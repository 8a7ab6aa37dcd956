"""Loads saved models, also deep ones and those with layers of this package."""

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

import keraskip.models.recompute  # noqa: F401  registers its layers
from keraskip.models.large_graphs import deep_graphs
from keraskip.models.stored_layers import CONFIG, DAMAGES

SUFFIX = ".keras"
# Every file of Keras holds its configuration and one of these files of weights.
WEIGHTS = {"model.weights.h5", "model.weights.npz"}


def load_model(
    path: str | os.PathLike,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> keras.Model:
    """A saved model, of any depth.

    `keras.models.load_model` fails with a RecursionError in plain networks of more than about 300
    weighted layers, and in `resnet1202`: `_build_map_helper` in `keras/src/ops/function.py` goes
    from each layer to the first one before it by calling itself, and Python allows 1,000 calls.
    Skips shorten its way. This function raises the limit while it loads. It also knows the layers
    of a memory-efficient DenseNet.

    Args:
        path: path of a `.keras` file, or any other that `keras.models.load_model` takes.
        custom_objects: classes and functions of your own, by name.
        compile: whether to compile the model as it was compiled when it was saved.
        safe_mode: refuse to load code, such as the function of a `Lambda` layer. Loading such a
            file may run any code in it.

    Returns:
        The model, of the class that was saved.

    Raises:
        FileNotFoundError: for a `.keras` file that does not exist.
        TypeError: for a path of another type.
        ValueError: for a `.keras` file that is cut or damaged, or that Keras refuses.

    Example:

    >>> model = load_model("runs/mine/preact_resnet1001.keras")  # doctest: +SKIP
    """
    is_archive = _is_archive(path)
    if is_archive:
        _check_archive(path)
    try:
        with deep_graphs():
            return keras.models.load_model(path, custom_objects, compile, safe_mode)
    # The errors of h5py for weights that were damaged before they were put into the archive.
    except (OSError, KeyError) as error:
        if is_archive:
            raise _refusal(path, f"cannot be read ({type(error).__name__}: {error})") from error
        raise


def _is_archive(path: Any) -> bool:
    """Whether this is a .keras file on this machine; all other paths are for Keras to judge."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be the path of a file. Received: path={path!r}")
    text = os.fspath(path)
    if not str(text).endswith(SUFFIX) or "://" in str(text) or Path(path).is_dir():
        return False
    if not Path(path).exists():
        raise FileNotFoundError(f"There is no file {text}.")
    return True


def _check_archive(path: str | os.PathLike) -> None:
    """ValueError for a file that is cut, damaged or of another format.

    Keras itself goes on without the checksum if the weights do not have it.
    """
    if not zipfile.is_zipfile(path):
        raise _refusal(path, "is cut or of another format")
    try:
        with zipfile.ZipFile(path) as archive:
            names, damaged = archive.namelist(), archive.testzip()
    except DAMAGES as error:
        raise _refusal(path, f"is damaged ({error})") from None
    if damaged is not None:
        raise _refusal(path, f"is damaged in {damaged}")
    for needed in {CONFIG}, WEIGHTS:
        if needed.isdisjoint(names):
            raise _refusal(path, f"has no {' or '.join(sorted(needed))}")


def _refusal(path: str | os.PathLike, reason: str) -> ValueError:
    return ValueError(
        f"path must be a whole {SUFFIX} file, as model.save writes it. "
        f"Received: path={os.fspath(path)!r}, which {reason}"
    )
