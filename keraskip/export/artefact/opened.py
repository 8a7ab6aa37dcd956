"""Opens an artefact: its card, its outputs and its speed."""

import statistics
import time
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from keraskip.checks import check_integer
from keraskip.export.artefact import layout, page
from keraskip.export.artefact.pictures import best_classes, read_picture
from keraskip.export.artefact.probes import noise
from keraskip.export.errors import ExportError, cause
from keraskip.export.formats import FORMATS
from keraskip.export.network.preprocessing import Preprocessing
from keraskip.export.network.samples import batch_for
from keraskip.export.network.tensors import Shape, image_shape
from keraskip.tables import add_row, new_table, printed

# Batch sizes to time, and how often each is run.
TIMED_BATCHES = (1, 32)
RUNS = 20
# The most numbers in a batch to time: 256 MiB.
MOST_TIMED = 2**26


class Artefact:
    """An exported network, loaded by its own runtime; Keras is not needed.

    Args:
        path: the folder that `export_savedmodel` or an export in another format wrote.

    Attributes:
        path: the folder.
        card: the content of `model_card.json`.
        inputs: the inputs with their names, shapes and types.
        outputs: the outputs.

    Raises:
        ValueError: for a folder that is no artefact, or a damaged one.
        OSError: if it cannot be read.
        ImportError: if the runtime is not installed.

    Example:

    >>> Artefact("exported/resnet56")(images)["predictions"].shape  # doctest: +SKIP
    (32, 10)
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.card = layout.read(self.path)
        self.inputs = tuple(map(layout.tensor_of, self.card["inputs"]))
        self.outputs = tuple(map(layout.tensor_of, self.card["outputs"]))
        try:
            self._run = FORMATS[self.card["format"]].opened(self.path)
        except (OSError, ImportError):
            raise
        except Exception as error:
            # Runtimes raise errors of their own.
            raise ValueError(
                f"The artefact cannot be loaded: {cause(error)}. Received: {self.path}"
            ) from error

    def __call__(self, samples: Any) -> dict[str, np.ndarray]:
        """The outputs by their names.

        Args:
            samples: a batch as the model takes it: an array, or for several inputs a dict by their
                names, or the arrays nested as the model takes them.

        Raises:
            ValueError: if the samples do not fit the inputs.
            ExportError: a ValueError, if the runtime fails, or gives others than these outputs.
        """
        batch = batch_for(self.inputs, self.card["nesting"], "samples", samples)
        try:
            outputs = self._run(batch)
        except Exception as error:
            # Runtimes raise errors of their own.
            raise ExportError(
                f"The artefact cannot run these samples: {cause(error)}. Received: {self.path}"
            ) from error
        # Some runtimes sort them by name; the model's order comes first here.
        names = [output.name for output in self.outputs]
        if not {*names} <= {*outputs}:
            raise ExportError(
                f"The card must name the outputs {', '.join(outputs)}. Received: {self.path}, "
                f"outputs {', '.join(names)}"
            )
        return {name: outputs[name] for name in dict.fromkeys([*names, *outputs])}

    @property
    def size(self) -> tuple[int | None, int | None]:
        """Height and width of an image, None where the network takes any."""
        height, width, _ = self._image()
        return height, width

    def read(self, file: str | Path) -> np.ndarray:
        """An image file as the network takes it, `[1, height, width, channels]`."""
        steps = Preprocessing(**self.card["preprocessing"] or {})
        return read_picture(file, self._image(), steps)

    def _image(self) -> Shape:
        image = image_shape(self.inputs)
        if image is None:
            raise ValueError(
                "Image files are for a network whose only input is an image. "
                f"Received: inputs {'; '.join(map(str, self.inputs))}"
            )
        return image

    def best(self, file: str | Path, top_k: int = 5) -> list[tuple[str, float]]:
        """The classes with the highest scores for an image file, the best first."""
        check_integer("top_k", top_k, minimum=1)
        first, *others = self.outputs
        if others or len(first.shape) != 1:
            raise ValueError(
                "Classes are of a network with one score for each. "
                f"Received: outputs {'; '.join(map(str, self.outputs))}"
            )
        scores = self(self.read(file))[first.name].ravel()
        names = self.card["class_names"]
        if names and len(names) != len(scores):
            raise ExportError(
                f"The card must have a name for each of {len(scores)} classes. "
                f"Received: {self.path}, {len(names)} names"
            )
        return best_classes(scores, names, top_k)

    def milliseconds(self, batch: int) -> float:
        """Median time for a batch of `batch` samples, whose open sides are as the card has them."""
        check_integer("batch", batch, minimum=1)
        samples = noise(self.inputs, self.card["sample_shapes"], batch)
        seconds = []
        for _ in range(RUNS + 2):
            begun = time.perf_counter()
            self(samples)
            seconds.append(time.perf_counter() - begun)
        # The first two runs prepare kernels and memory.
        return 1000 * statistics.median(seconds[2:])


def report(artefact: Artefact, differences: dict[str, float] | None = None) -> str:
    """A table of text: input, outputs, size, speed, and the differences to the model."""
    facts = artefact.card
    rows: list[tuple[str, str]] = [
        ("format", facts["format"]),
        *(
            (f"{kind} {each['name']}", page.tensor_text(each))
            for kind in ("input", "output")
            for each in facts[f"{kind}s"]
        ),
        *([("signatures", ", ".join(facts["signatures"]))] if facts["signatures"] else []),
        *facts["about"].items(),
        ("size on disk", f"{_size(artefact.path) / 1e6:.2f} MB"),
        *((f"time, batch {batch}", _time(artefact, batch)) for batch in TIMED_BATCHES),
        *(
            (f"difference to the model, {kind}", f"{value:.1e}")
            for kind, value in (differences or {}).items()
        ),
    ]
    table = new_table()
    for heading in (facts["name"], ""):
        table.add_column(heading)
    for row in rows:
        add_row(table, *row)
    return printed(table)


def _time(artefact: Artefact, batch: int) -> str:
    numbers = batch * sum(map(prod, artefact.card["sample_shapes"].values()))
    if numbers > MOST_TIMED:
        return f"not measured, {numbers:,} numbers"
    return f"{artefact.milliseconds(batch):.2f} ms"


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
