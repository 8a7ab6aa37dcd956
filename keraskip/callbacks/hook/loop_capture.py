"""Recording of a loop of one's own: the gradients, and the losses that the loop hands over."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from keraskip.callbacks.columns import OF_BATCH, Rows
from keraskip.callbacks.hook.capture import Capture
from keraskip.callbacks.hook.taps import ON_JAX

LOSS = OF_BATCH.index("loss")


class LoopCapture(Capture):
    """Reads the gradients of a loop of one's own, and keeps its losses on the device.

    Args:
        arguments: as of `Capture`.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        # The losses since the last drain, each with the numbers of rows and steps by then.
        self._losses: list[tuple[Any, Any]] = []

    def after_call(
        self, optimizer_variables: Sequence[Any] | None = None, *, loss: Any = None
    ) -> None:
        """Drains the ring before it overflows; to be called after each training step.

        Args:
            optimizer_variables: on JAX, the state of the optimizer that the step returned.
            loss: of the step, as a tensor or a number. It is fetched with the ring.
        """
        if loss is not None and self._prepared:
            self._keep(loss, optimizer_variables)
        super().after_call(optimizer_variables)

    def _keep(self, loss: Any, optimizer_variables: Sequence[Any] | None) -> None:
        """Keeps a loss without its graph, and a copy of counts that the next step overwrites."""
        state = self._lent.of(optimizer_variables or ()) if ON_JAX else self._state
        if state:
            loss = ops.stop_gradient(ops.convert_to_tensor(loss))
            self._losses.append((ops.copy(state[-1]), loss))

    def _complete(self, rows: Rows, written: int) -> None:
        """Puts the losses into the rows of their steps."""
        kept, self._losses = self._losses, []
        ends = np.array([int(ops.convert_to_numpy(counts)[0]) for counts, _ in kept] + [written])
        losses = [float(np.mean(ops.convert_to_numpy(loss))) for _, loss in kept]
        numbers = 1 + np.arange(written - len(rows.steps), written)
        place = np.searchsorted(ends[:-1], numbers)
        # A step that handed over no loss has none, nor have rows past the last loss.
        is_first = self._drained == len(rows.steps)
        is_told = ends[place] - numbers < (written if is_first else self._rows_per_call.sum())
        found = np.where(is_told, np.array([*losses, np.nan])[place], np.nan)
        rows.batches[:, :, LOSS] = found[:, None]
