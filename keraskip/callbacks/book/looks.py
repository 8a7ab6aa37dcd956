"""When to look at a training while it goes on, and what several looks agree about."""

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager

# Looks take at most this share of the training's time, but for those after 1, 2, 4, 8, ... epochs.
SHARE = 0.01


class Looks:
    """Counts epochs, times looks, and keeps since when each kind of finding has been there."""

    def __init__(self) -> None:
        self._epochs = 0
        self._since: dict[str, int] = {}
        self._began, self._spent = time.monotonic(), 0.0

    def is_due(self) -> bool:
        """Whether to look after this epoch; to be called once after each."""
        self._epochs += 1
        is_power_of_two = self._epochs & (self._epochs - 1) == 0
        return is_power_of_two or self._spent < SHARE * (time.monotonic() - self._began)

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Times a look."""
        start = time.monotonic()
        try:
            yield
        finally:
            self._spent += time.monotonic() - start

    def stay(self, kinds: Collection[str]) -> set[str]:
        """The kinds that each look has found for as long again as the training took before.

        Args:
            kinds: those found in this look.
        """
        self._since = {kind: self._since.get(kind, self._epochs) for kind in kinds}
        return {kind for kind, since in self._since.items() if self._epochs >= 2 * since}
