"""The fits of foreign code: each gets a recorder, and a folder named after order and model."""

import inspect
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from keraskip.labels import in_one_line
from keraskip.scripts.import_hook import once_imported
from keraskip.scripts.replacing import replaced

if TYPE_CHECKING:
    import keras

    from keraskip.scripts.guest import Guest

# A model that is fitted in a loop goes on with its third run, and is left alone in the end: each
# `fit` traces the recorded step anew.
GOES_ON, MOST = 3, 100
# Where a model keeps how often it was fitted, and the recorder that goes on.
KEPT = "_fits_recorded"


class Fits:
    """Records every `fit` of Keras inside of `recorded`, in this process.

    Args:
        folder: where to write the runs.
        every: as of `GradientRecorder`.
        layers: as of `GradientRecorder`.
        stop: whether to end a training that cannot recover.
        stream: where to print what is found.

    Attributes:
        folder: the absolute path of the folder.
        runs: the folders of the runs, in order.
        notes: sentences on fits that are not recorded here.
        count: how many fits there were.
        has_batches: whether `train_on_batch` was called.
    """

    def __init__(
        self, folder: Path, every: int, layers: str | None, stop: bool, stream: TextIO
    ) -> None:
        self.folder = folder.absolute()  # the script may change its working directory
        self._start = Path.cwd()
        self._options = every, layers, stop
        self._stream = stream
        self._process = os.getpid()
        self._undo = ExitStack()
        self.runs: list[Path] = []
        self.notes: list[str] = []
        self.count = 0
        self.has_batches = False

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Records the fits inside of the context. Keras may be imported before, inside or never."""
        with once_imported("keras", self._attach), self._undo:
            yield

    def say(self, lines: Sequence[str]) -> None:
        """Prints lines, below what the script has printed."""
        if not lines or self._stream is None:
            return
        with suppress(OSError, ValueError, AttributeError):  # closed, or none
            sys.stdout.flush()
        with suppress(OSError, ValueError):
            print(*map(in_one_line, lines), sep="\n", file=self._stream, flush=True)

    def shown(self, path: Path) -> str:
        """A path as seen from where the script was started."""
        is_below = path.is_relative_to(self._start)
        return str(path.relative_to(self._start) if is_below else path)

    def _attach(self) -> None:
        """Puts the recorder into `fit`, once Keras is there."""
        import keras

        try:
            from keraskip.callbacks.hook.fit_capture import watch_fit

            watch_fit()
        except Exception as error:  # such as on a backend that does not train
            self.notes.append(f"this Keras cannot be recorded: {error}")
            return
        self._undo.enter_context(replaced(keras.Model, "fit", self._fit))
        self._undo.enter_context(replaced(keras.Model, "train_on_batch", self._train_on_batch))

    def _train_on_batch(self, original: Callable, *args: Any, **kwargs: Any) -> Any:
        self.has_batches = True
        return original(*args, **kwargs)

    def _fit(self, original: Callable, *args: Any, **kwargs: Any) -> Any:
        """Calls `fit` with a recorder among its callbacks."""
        if os.getpid() != self._process:
            return original(*args, **kwargs)
        self.count += 1
        try:
            given = inspect.signature(original).bind(*args, **kwargs)
        except TypeError:  # which `fit` itself explains
            return original(*args, **kwargs)
        model, guest = args[0], None
        try:
            guest = self._guest(model, given.arguments)
        except Exception as error:
            self._note(f"{model.name!r} is not recorded: {error}")
        if guest is None:
            return original(*args, **kwargs)
        from keraskip.scripts.callback_lists import among

        with among(guest, model, given.arguments):
            try:
                return original(*given.args, **given.kwargs)
            finally:
                self._keep(guest, model)

    def _guest(self, model: "keras.Model", given: dict[str, Any]) -> "Guest | None":
        """The recorder for a `fit`; none where it has one of its own."""
        from keraskip.callbacks.hook.recorder import GradientRecorder
        from keraskip.scripts.callback_lists import listed
        from keraskip.scripts.guest import Guest

        for callback in listed(given.get("callbacks")):
            if isinstance(callback, GradientRecorder):
                place = self.shown(callback.run_dir.absolute())
                self._note(f"{model.name!r} has a recorder of its own, in {place}.")
                return None
        keeper, times, guest = vars(model).get(KEPT, (None, 0, None))
        times, guest = (times + 1, guest) if keeper is self else (1, None)
        if times > MOST:
            self._note(f"{model.name!r} is recorded in its first {MOST} fits.")
            return None
        guest = guest or Guest(self._free(model, given), *self._options, self.say)
        vars(model)[KEPT] = self, times, guest if times >= GOES_ON else None
        return guest

    def _free(self, model: "keras.Model", given: dict[str, Any]) -> Path:
        """The folder of a new run; of one that may go on after a break, its first folder."""
        from keras.callbacks import BackupAndRestore

        from keraskip.runs import runs_beside
        from keraskip.scripts.callback_lists import listed

        name = re.sub(r"[^\w.-]+", "_", f"{self.count}_{model.name}")
        folder = self.folder / name
        callbacks = listed(given.get("callbacks"))
        if given.get("initial_epoch") or any(isinstance(c, BackupAndRestore) for c in callbacks):
            return folder
        earlier = len(runs_beside(folder))
        return folder.with_name(f"{name}-{earlier + 1}") if earlier else folder

    def _keep(self, guest: "Guest", model: "keras.Model") -> None:
        """Notes the run of a `fit`, or why there is none."""
        if guest.has_run and guest.run_dir not in self.runs:
            self.runs.append(guest.run_dir)
        if guest.failure:
            self._note(f"{model.name!r} is not recorded: {guest.failure}")

    def _note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)
