"""JAX only: a training step keeps the state of model, optimizer and metrics, and no other."""

from collections.abc import Callable, Sequence
from typing import Any

import keras


class LentVariables:
    """Adds variables to the optimizer's state while recording and hides them from checkpoints.

    Args:
        optimizer: a built optimizer.
        variables: the variables to add, from now until `withdraw`.
        read: number of variables, from the first on, that `of` returns.
    """

    def __init__(
        self, optimizer: keras.optimizers.Optimizer, variables: Sequence[keras.Variable], read: int
    ) -> None:
        self._read = read
        self._optimizer = optimizer
        self._variables = list(variables)
        optimizer._variables.extend(self._variables)
        optimizer.save_own_variables = self._save
        optimizer.load_own_variables = self._load
        known = [id(variable) for variable in optimizer.variables]
        self._indices = [known.index(id(variable)) for variable in self._variables]

    def of(self, state: Sequence[Any]) -> list:
        """The values of the variables to read, in a state of the optimizer."""
        return [state[index] for index in self._indices[: self._read]]

    def put(self, state: Sequence[Any], value_of: Callable[[keras.Variable], Any]) -> list:
        """The state of the optimizer, with this function's values for the lent variables."""
        values = map(value_of, self._variables)
        new = dict(zip(self._indices, values, strict=True))
        return [new.get(index, value) for index, value in enumerate(state)]

    def updated(self, state: Sequence[Any], write: Callable[[], None]) -> list:
        """The state of the optimizer after a function has written to the lent variables."""
        values = [state[index] for index in self._indices]
        lent = list(zip(self._variables, values, strict=True))
        with keras.StatelessScope(lent) as scope:
            write()
        return self.put(state, scope.get_current_value)

    def withdraw(self) -> None:
        """Takes the variables back and leaves the optimizer as it was."""
        self._take_back()
        del self._optimizer.save_own_variables
        del self._optimizer.load_own_variables

    def _save(self, store: Any) -> None:
        self._without(type(self._optimizer).save_own_variables, store)

    def _load(self, store: Any) -> None:
        self._without(type(self._optimizer).load_own_variables, store)

    def _without(self, act: Any, store: Any) -> None:
        """ModelCheckpoint and BackupAndRestore save and load while the step is recorded."""
        self._take_back()
        try:
            act(self._optimizer, store)
        finally:
            self._optimizer._variables.extend(self._variables)

    def _take_back(self) -> None:
        lent = {id(variable) for variable in self._variables}
        variables = self._optimizer._variables
        for index in reversed(range(len(variables))):
            if id(variables[index]) in lent:
                del variables[index]
