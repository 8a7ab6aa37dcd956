"""Opens an artefact: its card, its outputs and its speed."""

import statistics
import time
from pathlib import Path

import numpy as np

from keraskip.checks import check_integer
from keraskip.export.artefact import card
from keraskip.export.artefact.pictures import best_classes, read_picture
from keraskip.export.formats import FORMATS
from keraskip.export.network.preprocessing import Preprocessing
from keraskip.tables import add_row, new_table, printed

# Batch sizes to time, and how often each is run.
TIMED_BATCHES = (1, 32)
RUNS = 20
# Height or width of the images to time if the network takes any.
OPEN_SIDE = 224


class Artefact:
    """An exported network, loaded by its own runtime; Keras is not needed.

    Args:
        path: the folder that `export_savedmodel`, `export_onnx` or `export_litert` wrote.

    Attributes:
        path: the folder.
        card: the content of `model_card.json`.

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
        self._run = FORMATS[self.card["format"]].load(self.path)

    def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """The outputs by their names, for images as the model takes them."""
        outputs = self._run(np.ascontiguousarray(images, "float32"))
        # Some runtimes sort them by name; the model's order comes first here.
        names = [output["name"] for output in self.card["outputs"]]
        return {name: outputs[name] for name in dict.fromkeys([*names, *outputs])}

    @property
    def size(self) -> tuple[int | None, int | None]:
        """Height and width of an image, None where the network takes any."""
        _, height, width, _ = self.card["input"]["shape"]
        return height, width

    def read(self, file: str | Path) -> np.ndarray:
        """An image file as the network takes it, `[1, height, width, channels]`."""
        steps = Preprocessing(**self.card["preprocessing"] or {})
        return read_picture(file, self.card["input"]["shape"][1:], steps)

    def best(self, file: str | Path, top_k: int = 5) -> list[tuple[str, float]]:
        """The classes with the highest scores for an image file, the best first."""
        check_integer("top_k", top_k, minimum=1)
        first, *others = self.card["outputs"]
        if others or len(first["shape"]) != 2:
            raise ValueError(
                "Classes are of a network with one score for each. "
                f"Received: outputs {self.card['outputs']}"
            )
        scores = self(self.read(file))[first["name"]].ravel()
        return best_classes(scores, self.card["class_names"], top_k)

    def milliseconds(self, batch: int) -> float:
        """Median time for a batch of `batch` images."""
        check_integer("batch", batch, minimum=1)
        channels = self.card["input"]["shape"][-1]
        sides = (side or OPEN_SIDE for side in self.size)
        images = np.random.default_rng(0).normal(size=(batch, *sides, channels)).astype("float32")
        seconds = []
        for _ in range(RUNS + 2):
            begun = time.perf_counter()
            self(images)
            seconds.append(time.perf_counter() - begun)
        # The first two runs prepare kernels and memory.
        return 1000 * statistics.median(seconds[2:])


def report(artefact: Artefact, differences: dict[str, float] | None = None) -> str:
    """A table of text: input, outputs, size, speed, and the differences to the model."""
    facts = artefact.card
    images = facts["input"]
    rows: list[tuple[str, str]] = [
        ("format", facts["format"]),
        (f"input {images['name']}", f"{card.shape_text(images['shape'])} float32"),
        *((f"output {out['name']}", card.shape_text(out["shape"])) for out in facts["outputs"]),
        *([("signatures", ", ".join(facts["signatures"]))] if facts["signatures"] else []),
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
