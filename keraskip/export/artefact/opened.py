"""Opens an artefact: its card, its outputs and its speed."""

import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from keraskip.checks import check_integer
from keraskip.export.artefact import card, page
from keraskip.export.artefact.pictures import best_classes, read_picture
from keraskip.export.artefact.probes import noise, shapes_of
from keraskip.export.formats import FORMATS
from keraskip.export.network.preprocessing import Preprocessing
from keraskip.export.network.tensors import Shape, batch_for, image_shape
from keraskip.tables import add_row, new_table, printed

# Batch sizes to time, and how often each is run.
TIMED_BATCHES = (1, 32)
RUNS = 20
# Height or width of the images to time if the network takes any, and other open sides.
OPEN_SIDE = 224
OPEN_LENGTH = 16


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
        ValueError: for a folder that is no artefact.
        ImportError: if the runtime is not installed.

    Example:

    >>> Artefact("exported/resnet56")(images)["predictions"].shape  # doctest: +SKIP
    (32, 10)
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.card = card.read(self.path)
        self.inputs = tuple(map(page.tensor_of, self.card["inputs"]))
        self.outputs = tuple(map(page.tensor_of, self.card["outputs"]))
        self._run = FORMATS[self.card["format"]].opened(self.path)

    def __call__(self, samples: Any) -> dict[str, np.ndarray]:
        """The outputs by their names.

        Args:
            samples: a batch as the model takes it: an array, or for several inputs a dict by their
                names, or the arrays nested as the model takes them.

        Raises:
            ValueError: if the samples do not fit the inputs.
        """
        outputs = self._run(batch_for(self.inputs, "samples", samples))
        # Some runtimes sort them by name; the model's order comes first here.
        names = [output.name for output in self.outputs]
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
        return best_classes(scores, self.card["class_names"], top_k)

    def milliseconds(self, batch: int) -> float:
        """Median time for a batch of `batch` images."""
        check_integer("batch", batch, minimum=1)
        side = OPEN_SIDE if image_shape(self.inputs) else OPEN_LENGTH
        samples = noise(self.inputs, shapes_of(self.inputs, None, side), batch)
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
        *facts.get("about", {}).items(),
        ("size on disk", f"{_size(artefact.path) / 1e6:.2f} MB"),
        *(
            (f"time, batch {batch}", f"{artefact.milliseconds(batch):.2f} ms")
            for batch in TIMED_BATCHES
        ),
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


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
