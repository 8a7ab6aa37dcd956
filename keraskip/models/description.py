"""Published facts of a network beside the facts of its built model."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import keras
from rich.text import Text

from keraskip.labels import visible
from keraskip.models.anatomy import anatomy
from keraskip.models.published import Entry
from keraskip.models.shipped import cards_of
from keraskip.models.zoo import build, find, rounded
from keraskip.tables import WIDTH, add_row, new_table, printed, with_unit

MISSING = "–"


@dataclass(frozen=True)
class Description:
    """Published facts of a network and facts of the built model; `describe` makes one.

    Attributes:
        name: name of the network.
        published: the zoo's entry, or `None` for a model that is not from the zoo.
        built: facts of the model: `input_shape`, `depth`, `trainable`, `parameters` (trainable or
            not), `macs` (see `anatomy`; `None` if not known) and `activation_bytes`. The last two
            are for one image.
        cards: the cards of the weights that come with keraskip, by the name of their data set.
    """

    name: str
    published: Entry | None
    built: dict[str, Any]
    cards: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __str__(self) -> str:
        table = new_table()
        table.add_column(Text(visible(self.name)))
        table.add_column("published", justify="right")
        table.add_column("built model", justify="right")
        for row in self._rows():
            add_row(table, *row)
        return "\n".join((printed(table), "", *self._notes()))

    def _rows(self) -> list[tuple[str, str, str]]:
        built, paper = self.built, self.published
        # keras.applications counts the moving statistics, papers and torchvision do not.
        counts_all = paper is not None and "conventions" in paper.arguments
        number = _published_parameters(paper)
        total, trainable = (number, MISSING) if counts_all else (MISSING, number)
        rows = [
            ("depth", str(paper.arguments["depth"]) if paper else MISSING, str(built["depth"])),
            ("parameters", total, f"{built['parameters']:,}"),
            ("trainable of them", trainable, f"{built['trainable']:,}"),
            ("multiply-accumulates per image", MISSING, with_unit(built["macs"])),
            ("bytes of activations per image", MISSING, with_unit(built["activation_bytes"])),
        ]
        errors = paper.errors.items() if paper else ()
        return rows + [(f"error on {data}", f"{error:.2f} %", MISSING) for data, error in errors]

    def _notes(self) -> list[str]:
        notes = {"input": " x ".join(str(side) for side in self.built["input_shape"])}
        if self.published:
            arguments = ", ".join(
                f"{name}={value!r}" for name, value in self.published.arguments.items()
            )
            notes |= {
                "built by": f"keraskip.{self.published.builder}({arguments})",
                "source": self.published.source,
                "trained": self.published.recipe,
            }
        if self.cards:
            notes["weights"] = ", ".join(map(_accuracy, self.cards.values()))
        return [
            textwrap.fill(f"{name:<10} {text}", WIDTH, subsequent_indent=" " * 11)
            for name, text in notes.items()
        ]


def describe(name_or_model: str | keras.Model) -> Description:
    """Published facts of a network beside the facts of its built model.

    Papers and torchvision count trainable parameters; `keras.applications` counts all, with the
    moving statistics. Each number stands beside the same count of the built model.

    Args:
        name_or_model: a name of the zoo, or any functional model. Without a name there are no
            published facts.

    Returns:
        A `Description`; printed, it is a table.

    Raises:
        ValueError: for a name that is not in the zoo, or a model whose images have no fixed size.
        TypeError: for a model without a graph.

    Example:

    >>> describe("resnet56").built["trainable"]
    853018
    """
    if isinstance(name_or_model, str):
        facts = _describe(build(name_or_model), find(name_or_model))
        return replace(facts, cards=cards_of(name_or_model))
    return _describe(name_or_model, None)


def _describe(model: keras.Model, published: Entry | None) -> Description:
    parts = anatomy(model)
    names = ("depth", "trainable", "parameters", "macs", "activation_bytes")
    shapes = [tuple(tensor.shape[1:]) for tensor in model.inputs]
    built = {"input_shape": shapes[0] if len(shapes) == 1 else tuple(shapes)} | {
        name: getattr(parts, name) for name in names
    }
    return Description(model.name, published, built)


def _published_parameters(entry: Entry | None) -> str:
    """The number of parameters as its source prints it, rounded or not."""
    parameters = entry.parameters if entry else None
    is_exact = parameters is not None and parameters % 10_000
    return f"{parameters:,}" if is_exact else rounded(parameters)


def _accuracy(card: Mapping[str, Any]) -> str:
    share, images = card["accuracy"]["test"], card["data"]["test_images"]
    return f"{card['weights']}: {100 * share:.2f} % of {images:,} test images are right"
