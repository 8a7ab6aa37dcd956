"""Whether a data set can be there, told in no time: tensorflow-datasets takes seconds to load."""

import os
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path


def check_dataset(name: str) -> None:
    """Refuses names of data sets that `load_data` cannot load, as far as a look at files tells.

    Args:
        name: as for `keraskip.data.load_data`.

    Raises:
        ValueError: for a name that no file of tensorflow-datasets has.
        FileNotFoundError: for a folder or file that is not there.
    """
    kind, _, path = name.partition(":")
    if kind in ("folder", "npz") and path:
        if not Path(path).exists():
            raise FileNotFoundError(f"There is no {path}. Received: dataset={name!r}")
        return
    wanted = (path if kind == "tfds" else name).split("/")[0].split(":")[0]
    known = _names()
    if name == "digits" or not known or wanted in known:
        return
    close = ", ".join(get_close_matches(wanted, ["digits", *known], n=4)) or "none"
    raise ValueError(
        "dataset must be digits, a set of tensorflow-datasets, folder:PATH or npz:PATH. "
        f"Received: dataset={name!r} (nearest: {close})"
    )


@cache
def _names() -> frozenset[str]:
    """The names of all files and folders of tensorflow-datasets; empty if it is not installed.

    Each of its sets of images with labels has one of its name.
    """
    package = find_spec("tensorflow_datasets")
    places = package.submodule_search_locations if package else None
    walk = [each for place in places or () for each in os.walk(place)]
    return frozenset(
        name.partition(".")[0] for _, folders, files in walk for name in (*folders, *files)
    )
