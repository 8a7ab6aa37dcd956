"""Loads saved models, also deep ones and those with layers of this package."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

import keraskip.models.recompute  # noqa: F401  registers its layers
from keraskip.files import check_file, first_words
from keraskip.models.archives import SUFFIX, check_archive
from keraskip.models.large_graphs import deep_graphs

# The files of former versions of Keras.
LEGACY = (".h5", ".hdf5")
# What Keras writes around the cause of an error.
CAUSE, ARGUMENTS = "Exception encountered:", "Arguments received by"


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
        FileNotFoundError: for a `.keras` or `.h5` file that does not exist.
        TypeError: for a path of another type.
        ValueError: for a file that is cut or damaged, or that Keras refuses, and for one that is
            no regular file. A `.keras` file may unpack to 100 times its size, or 256 MiB, its
            configuration to 64 MiB and 100 levels; no layer may have more units than the file
            has bytes.

    Example:

    >>> model = load_model("runs/mine/preact_resnet1001.keras")  # doctest: +SKIP
    """
    kind = _kind_of(path)
    if kind == SUFFIX:
        check_archive(path)
    try:
        with deep_graphs():
            return keras.models.load_model(path, custom_objects, compile, safe_mode)
    # Keras, h5py and the backend meet a damaged configuration with errors of any class.
    except Exception as error:
        if kind:
            raise ValueError(_refusal(path, error)) from error
        raise


def _kind_of(path: Any) -> str:
    """The suffix of a file on this machine; none of all other paths, which Keras judges."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be the path of a file. Received: path={path!r}")
    text = str(os.fspath(path))
    if "://" in text or Path(path).is_dir():
        return ""
    suffix = next((each for each in (SUFFIX, *LEGACY) if text.endswith(each)), "")
    if suffix:
        check_file(path)
    return suffix


def _refusal(path: str | os.PathLike, error: Exception) -> str:
    """One sentence on an error of Keras, which may have the whole configuration in it."""
    text = str(error).split(CAUSE)[-1].split(ARGUMENTS)[0]
    reason = first_words(ValueError(text.strip() or type(error).__name__))
    return f"path={os.fspath(path)!r} cannot be loaded ({type(error).__name__}): {reason}"
