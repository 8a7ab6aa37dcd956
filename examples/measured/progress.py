"""A progress bar on stderr."""

from collections.abc import Iterable, Iterator, Sized
from typing import Protocol, TypeVar

from rich.console import Console
from rich.progress import track

T_co = TypeVar("T_co", covariant=True)


class SizedIterable(Sized, Iterable[T_co], Protocol[T_co]):
    """What has a length and can be gone through, such as a list or a range."""


def shown(items: SizedIterable[T_co], what: str) -> Iterator[T_co]:
    """The items, with a bar that names what is measured."""
    yield from track(items, what, console=Console(stderr=True), transient=True)
