"""Which packages are installed, and their versions."""

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec


def is_installed(package: str) -> bool:
    """Whether a package can be imported; a plain folder of its name, as in `runs/wandb`, cannot."""
    spec = find_spec(package)
    return spec is not None and spec.origin is not None


def versions(packages: Iterable[str]) -> dict[str, str]:
    """The version of each package that is installed, by its name."""
    installed = {}
    for package in packages:
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            continue
    return installed
