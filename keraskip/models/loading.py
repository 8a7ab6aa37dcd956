"""Loads saved models, also deep ones and those with layers of this package."""

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

import keraskip.models.recompute  # noqa: F401  registers its layers
from keraskip.models.large_graphs import deep_graphs

SUFFIX = ".keras"
# What every file of Keras holds.
CONFIG = "config.json"


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
        path: what `keras.models.load_model` takes; as a rule a `.keras` file.
        custom_objects: classes and functions of your own, by name.
        compile: whether to compile the model as it was compiled when it was saved.
        safe_mode: refuse to load code, such as the function of a `Lambda` layer. Loading such a
            file may run any code in it.

    Returns:
        The model, of the class that was saved.

    Raises:
        FileNotFoundError: for a `.keras` file that does not exist.
        TypeError: for a path of another type.
        ValueError: for a file that is no whole `.keras` file, or that Keras refuses.

    Example:

    >>> model = load_model("runs/mine/preact_resnet1001.keras")  # doctest: +SKIP
    """
    _check_path(path)
    with deep_graphs():
        return keras.models.load_model(path, custom_objects, compile, safe_mode)


def _check_path(path: Any) -> None:
    """Refuses a .keras file that is missing or broken; all other paths are for Keras to judge."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be the path of a file. Received: path={path!r}")
    text = os.fspath(path)
    if not str(text).endswith(SUFFIX) or "://" in str(text) or Path(path).is_dir():
        return
    if not Path(path).exists():
        raise FileNotFoundError(f"There is no file {text}.")
    if not zipfile.is_zipfile(path) or CONFIG not in zipfile.ZipFile(path).namelist():
        raise ValueError(
            f"path must be a whole {SUFFIX} file, as model.save writes it. "
            f"Received: path={text!r}, which is cut or of another format"
        )
