"""JAX only: a training step keeps no state but the model's, the optimizer's and the metrics'."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras


class LentVariables:
    """Makes variables travel with an optimizer's through the step, but into no saved file.

    Args:
        optimizer: a built optimizer.
        variables: what to lend it, from now until `withdraw`; the last of its variables.
    """

    def __init__(
        self, optimizer: keras.optimizers.Optimizer, variables: Sequence[keras.Variable]
    ) -> None:
        self._variables = list(variables)
        # One that scales the loss lists the variables of the optimizer inside last.
        self._holder = getattr(optimizer, "inner_optimizer", optimizer)
        self._savers = {id(each): each for each in (optimizer, self._holder)}.values()
        self._own = len(self._holder._variables)
        self._holder._variables.extend(self._variables)
        for each in self._savers:
            each.save_own_variables = partial(self._without, type(each).save_own_variables, each)
            each.load_own_variables = partial(self._without, type(each).load_own_variables, each)

    def withdraw(self) -> None:
        """Takes the variables back and leaves the optimizer as it was."""
        del self._holder._variables[self._own :]
        for each in self._savers:
            del each.save_own_variables, each.load_own_variables

    def _without(
        self, act: Callable[..., None], optimizer: keras.optimizers.Optimizer, store: Any
    ) -> None:
        """ModelCheckpoint and BackupAndRestore save and load while the step is recorded."""
        del self._holder._variables[self._own :]
        try:
            act(optimizer, store)
        finally:
            self._holder._variables.extend(self._variables)
