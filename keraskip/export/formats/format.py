"""What a format is: the packages it needs, how it is written, loaded and judged."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keraskip.export.errors import ExportError
from keraskip.export.network.tensors import Batch
from keraskip.versions import is_installed

if TYPE_CHECKING:
    from keraskip.export.network.contract import Contract

# Writes a model; its arguments: model, folder, contract, options.
Write = Callable[[Any, Path, Any, Any], None]
# Runs an artefact: from a batch to the outputs by their names.
Predict = Callable[[Batch], Mapping[str, np.ndarray]]


def refuse_strings(contract: "Contract", format: str) -> None:
    """ExportError if the network takes strings; `format` as people write it."""
    strings = [each.name for each in contract.inputs if each.dtype == "string"]
    if strings:
        raise ExportError(
            f"An export to {format} takes no strings; a SavedModel does. "
            f"Received: inputs of strings, {', '.join(strings)}"
        )


@dataclass(frozen=True)
class Options:
    """What may be chosen for one format alone; this one leaves no choice.

    Attributes:
        signatures: the names of the functions that a SavedModel offers.
        quantization: the kind of numbers below float32, None for float32.
    """

    signatures: Sequence[str] = ()
    quantization: str | None = None

    def checked(self, contract: "Contract") -> "Options":
        """The options with arrays as the model takes them; ValueError unless they fit it."""
        return self


@dataclass(frozen=True)
class Format:
    """A format of artefacts.

    Attributes:
        name: as users write it.
        modules: the modules that it needs, its runtime last.
        cure: the command that installs them.
        loading: a line of Python that runs an artefact; `{keywords}` and `{items}` stand for the
            inputs as arguments and as the content of a dict.
        write: writes a model of Keras with the backend TensorFlow.
        load: loads an artefact from its folder, by its own runtime.
        tolerance: the largest difference to the model, relative to the largest number of an
            output.
        mean_tolerance: the largest mean difference, for each kind of quantisation.
        other_road: writes with any backend; taken where `write` cannot.
        about: tells what the card says of what `load` returned, after it has run.
    """

    name: str
    modules: tuple[str, ...]
    cure: str
    loading: str
    write: Write
    load: Callable[[Path], Predict]
    tolerance: float
    mean_tolerance: Mapping[str, float] = field(default_factory=dict)
    other_road: Write | None = None
    about: Callable[[Any], dict[str, str]] = lambda predict: {}

    def check_installed(self) -> None:
        """ImportError if an export needs packages that are not there."""
        self._check("export", self.modules)

    def opened(self, folder: Path) -> Predict:
        """The artefact in the folder, loaded; ImportError if its runtime is not there."""
        self._check("artefact", self.modules[-1:])
        return self.load(folder)

    def _check(self, what: str, modules: Sequence[str]) -> None:
        missing = [module for module in modules if not is_installed(module)]
        if missing:
            raise ImportError(f"This {what} needs {', '.join(missing)}: {self.cure}")
