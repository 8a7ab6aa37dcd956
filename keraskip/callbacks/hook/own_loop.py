"""Recording of a training loop of one's own, without `fit`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import keras

from keraskip.callbacks.book.warning import missing, warn
from keraskip.callbacks.hook.loop_capture import LoopCapture
from keraskip.callbacks.hook.record import Record


class OwnLoop:
    """The part of `GradientRecorder` for loops that call the optimizer themselves."""

    _record: Record
    initial_epoch: int

    @contextmanager
    def recording(
        self, model: keras.Model, optimizer: keras.optimizers.Optimizer | None = None
    ) -> Iterator[Callable[..., None]]:
        """Records a training loop of your own, which calls the optimizer itself.

        The step may be compiled, but must be traced inside of the context. All steps are measured,
        also those that `every` leaves out of the record.

        Args:
            model: the model that is trained.
            optimizer: what trains it, by default that with which it was compiled. The loop must
                call its `apply` or `apply_gradients`; on JAX its `stateless_apply`, with the
                values of `optimizer.variables` taken, and written back, inside of the context,
                where the record travels with them.

        Returns:
            A context manager that gives a function to call after each training step; on JAX with
            the optimizer's variables that the step returned. By `loss=` it takes the loss of the
            step, by which a report tells whether the network learns; it is fetched later.

        Raises:
            ValueError: for a model without an optimizer.

        Example:

        >>> with GradientRecorder("runs/mine").recording(model) as step_done:  # doctest: +SKIP
        ...     for x, y in batches:
        ...         loss = train_step(x, y)  # calls model.optimizer.apply(gradients, variables)
        ...         step_done(loss=loss)
        """
        optimizer = optimizer or getattr(model, "optimizer", None)
        if optimizer is None:
            raise ValueError(
                "recording needs an optimizer: compile the model, or pass it. "
                f"Received: optimizer=None, model {model.name!r}"
            )
        optimizers = {"optimizer": optimizer}
        capture = self._record.attach(LoopCapture, model, optimizers, self.initial_epoch)
        (first,) = capture.next_steps
        status = "interrupted"
        try:
            yield capture.after_call
            status = "finished"
        finally:
            self._record.end(status)
        (end,) = capture.next_steps
        if end == first or capture.lost:
            known = f"{missing(capture.lost)} of {end}" if capture.lost else "No step was recorded"
            warn(
                f"{known}. Call the "
                "function that `recording` gives after each step, and trace the step inside of it."
            )
