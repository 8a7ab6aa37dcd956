"""Whether a data set can be there, told in no time: tensorflow-datasets takes seconds to load."""

import os
import sys
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path

# Folders of tensorflow-datasets with files that are no data sets.
TOOLS = {"core", "proto", "scripts", "testing", "__pycache__"}


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
    # A script that has loaded tensorflow-datasets may have added sets of its own.
    is_open = not known or "tensorflow_datasets" in sys.modules
    if name == "digits" or is_open or wanted in known:
        return
    close = ", ".join(get_close_matches(wanted, ["digits", *known], n=4)) or "none"
    raise ValueError(
        "dataset must be digits, a set of tensorflow-datasets, folder:PATH or npz:PATH. "
        f"Received: dataset={name!r} (nearest: {close})"
    )


@cache
def _names() -> frozenset[str]:
    """The names of files and folders of data sets; empty if tensorflow-datasets is not installed.

    Each of its sets of images with labels has one of its name.
    """
    package = find_spec("tensorflow_datasets")
    found = set[str]()
    for place in package.submodule_search_locations or () if package else ():
        for _, folders, files in os.walk(place):
            folders[:] = sorted({*folders} - TOOLS)
            found |= {*folders, *(file.partition(".")[0] for file in files)}
    return frozenset(name for name in found if not name.endswith(("_test", "__")))
