"""The named networks: their list, their builder and an overview of what was published."""

import importlib
import re
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keraskip.models import shipped
from keraskip.models.available import IMAGENET, weights_of
from keraskip.models.published import ZOO, Entry
from keraskip.tables import add_row, new_table, printed

if TYPE_CHECKING:
    import keras

BUILDERS = {
    "build_densenet": "keraskip.models.densenet",
    "build_plain": "keraskip.models.residual",
    "build_resnet": "keraskip.models.residual",
}


def list_models(pattern: str = "*") -> list[str]:
    """The names of the networks that `build` can make.

    Args:
        pattern: keep the names that match, with `*` for any text and `?` for any character.

    Returns:
        The names, in the order of the papers.

    Example:

    >>> list_models("resnet50*")
    ['resnet50', 'resnet50v1.5', 'resnet50v2']
    """
    return [name for name in ZOO if fnmatchcase(name, pattern)]


def build(name: str, /, **overrides: Any) -> "keras.Model":
    """A network of the papers by its name.

    `resnet50`, `resnet50v2`, `densenet121` and their siblings are exactly the networks of
    `keras.applications` and take its weights with `weights="imagenet"`. `resnet18`, `resnet34`,
    `resnet50v1.5`, `densenet161` and, with `conventions="paper"`, `densenet121` and its siblings
    are torchvision's, and take those.

    Args:
        name: one of `list_models()`.
        **overrides: arguments for the network's builder that replace the paper's, such as
            `classes=100` or `shortcut="B"`. For some networks `weights="fashion_mnist"` come with
            keraskip; they are for images of shape (28, 28, 1) and 10 classes, and `describe` shows
            their cards.

    Returns:
        A functional `keras.Model`, called `name`.

    Raises:
        ValueError: for a name that is not in the zoo, for weights that the network does not have,
            or arguments that the builder refuses.
        TypeError: for a `depth`, which the name says already, or an argument that the builder
            does not have.
        ImportError: if `"imagenet"` needs `huggingface_hub`.
        ConnectionError: if the Hugging Face Hub cannot be reached.

    Example:

    >>> build("resnet20", classes=100).output_shape
    (None, 100)
    """
    entry = find(name)
    if "depth" in overrides:
        raise TypeError(
            f"The name says the depth. Received: name={name!r}, depth={overrides['depth']!r}; "
            f"keraskip.{entry.builder} builds any depth"
        )
    builder = getattr(importlib.import_module(BUILDERS[entry.builder]), entry.builder)
    arguments = {"name": name} | entry.arguments
    weights = overrides.get("weights")
    _check_weights(name, weights)
    if isinstance(weights, str) and weights in shipped.DATASETS:
        return shipped.build_with(name, builder, arguments, overrides)
    return builder(**(arguments | overrides))


def find(name: str) -> Entry:
    """The zoo's entry of this name; ValueError names close matches."""
    if not isinstance(name, str) or name not in ZOO:
        close = get_close_matches(str(name).lower(), ZOO, n=4)
        raise ValueError(
            "name must be one of keraskip.list_models(). "
            f"Received: name={name!r} (nearest: {', '.join(close) or 'none'})"
        )
    return ZOO[name]


def _check_weights(name: str, weights: Any) -> None:
    """ValueError for a name of weights that do not exist; the builder judges all others."""
    known = weights_of(name)
    is_name = isinstance(weights, str) and not Path(weights).suffix and not Path(weights).exists()
    if not is_name or weights in (*known, IMAGENET, *shipped.DATASETS):
        return
    close = get_close_matches(weights.lower(), known, n=1)
    raise ValueError(
        f"weights of {name} must be {', '.join(['None', *map(repr, known)])} or the path of a "
        f"file. Received: weights={weights!r}" + (f" (nearest: {close[0]!r})" if close else "")
    )


def overview(pattern: str = "*") -> str:
    """A table of text: the names that match, with published facts about each, and its weights."""
    table = new_table()
    for heading in ("name", "parameters", "error", "weights", "source"):
        table.add_column(heading, justify="right" if heading == "parameters" else "left")
    for name in list_models(pattern):
        entry = ZOO[name]
        error = next((f"{value:.2f} % {data}" for data, value in entry.errors.items()), "")
        source, weights = re.split("[:,] ", entry.source)[0], ", ".join(weights_of(name))
        add_row(table, name, rounded(entry.parameters), error, weights, source)
    return printed(table)


def rounded(parameters: int | None) -> str:
    """A number of parameters in millions, as papers print it."""
    return "–" if parameters is None else f"{parameters / 1e6:.3g} M"
