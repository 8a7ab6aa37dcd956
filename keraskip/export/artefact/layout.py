"""The layout of `model_card.json`, and the check of a card that is read."""

from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from keraskip.export.artefact.drafts import CARD_FILE
from keraskip.export.formats import FORMATS
from keraskip.export.network.preprocessing import Preprocessing
from keraskip.export.network.tensors import Tensor, image_shape

# A card of another layout cannot be read.
SCHEMA = 3
# A card with the names of 22,000 classes has half a megabyte.
MOST_BYTES = 2**24
# Numbers in a sample: 8 GiB.
MOST_NUMBERS = 2**31
# Dicts and lists of inputs in each other.
DEEPEST = 32

Count = Annotated[int, Meta(ge=0)]
Side = Annotated[int, Meta(ge=1, le=MOST_NUMBERS)]
Dtype = Literal[
    "float32", "string", "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32",
    "uint64",
]  # fmt: skip


class Entry(Struct):
    """An input or output; the first side is the batch."""

    name: str
    shape: Annotated[list[Side | None], Meta(min_length=1)]
    dtype: Dtype
    below: Side | None


class Architecture(Struct):
    """The size of the model."""

    parameters: Count
    macs: Count | None
    depth: Count | None


class Steps(Struct):
    """The arguments of `keraskip.Preprocessing`."""

    mean: float | list[float]
    deviation: float | list[float]
    channel_order: str
    crop: float
    interpolation: str


class Training(Struct):
    """The facts of the run."""

    run: str
    started: str | None
    trial: dict[str, Any]
    epochs: Count
    versions: dict[str, str]


class Card(Struct):
    """All of a card."""

    schema: int
    name: str
    created: str
    architecture: Architecture
    inputs: Annotated[list[Entry], Meta(min_length=1)]
    nesting: Any
    sample_shapes: dict[str, list[Side]]
    outputs: Annotated[list[Entry], Meta(min_length=1)]
    weights: str | None
    training: Training | None
    metrics: dict[str, float]
    versions: dict[str, str]
    format: str
    signatures: list[str]
    quantization: str | None
    about: dict[str, str]
    preprocessing: Steps | None
    class_names: list[str]
    folded: Count
    parity: dict[str, float]
    rounding: dict[str, float]
    files: dict[str, Count]


def read(folder: Path) -> dict[str, Any]:
    """The card of an artefact.

    Raises:
        ValueError: if the folder has none, or one that is damaged or of another artefact.
        OSError: if it cannot be read.
    """
    file = folder / CARD_FILE
    if not file.is_file():
        raise ValueError(f"An artefact of keraskip has a {CARD_FILE}. Received: {folder}")
    if (size := file.stat().st_size) > MOST_BYTES:
        raise ValueError(f"A card has at most {MOST_BYTES:,} bytes. Received: {file}, {size:,}")
    try:
        card = msgspec.json.decode(file.read_bytes())
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise ValueError(f"The card must be JSON. Received: {file}, {error}") from None
    _check_schema(file, card)
    try:
        msgspec.convert(card, Card)
        wrong = next(_wrong(folder, card), None)
    except (msgspec.ValidationError, RecursionError) as error:
        wrong = str(error)
    if wrong:
        raise ValueError(f"The card must describe the artefact. Received: {file}, {wrong}")
    return dict(card)


def tensor_of(entry: Mapping[str, Any]) -> Tensor:
    """An input or output of a card."""
    name, shape, dtype, below = (entry[key] for key in Entry.__struct_fields__)
    return Tensor(name, tuple(shape[1:]), dtype, below)


def _check_schema(file: Path, card: Any) -> None:
    schema = card.get("schema") if isinstance(card, dict) else None
    if type(schema) is not int or schema < SCHEMA:
        cure = "an earlier keraskip: export it again"
    elif schema > SCHEMA:
        cure = "a later keraskip: install that"
    else:
        return
    raise ValueError(
        f"This artefact was written by {cure}. Received: {file}, a card of schema {schema!r:.40}"
    )


def _wrong(folder: Path, card: Mapping[str, Any]) -> Iterator[str]:
    """The keys whose values have the right type and do not fit the others, and why."""
    inputs = [tensor_of(each) for each in card["inputs"]]
    if card["format"] not in FORMATS:
        yield f"format: {card['format']!r:.40} is none of {', '.join(FORMATS)}"
    elif card["quantization"] not in (None, *FORMATS[card["format"]].mean_tolerance):
        yield f"quantization: {card['format']} has no {card['quantization']!r:.40}"
    if sorted(_leaves(card["nesting"])) != [*range(len(inputs))]:
        yield f"nesting: it must have each of {len(inputs)} inputs once"
    for kind in ("inputs", "outputs"):
        names = [each["name"] for each in card[kind]]
        if len({*names}) < len(names):
            yield f"{kind}: they must have different names"
    yield from _wrong_shapes(inputs, card)
    yield from _wrong_images(inputs, card)
    for name, size in card["files"].items():
        file = folder / name
        if not file.is_file() or file.stat().st_size != size:
            yield f"files: {name!r:.80} must be a file of {size:,} bytes"


def _wrong_shapes(inputs: list[Tensor], card: Mapping[str, Any]) -> Iterator[str]:
    if any(each["shape"][0] is not None for kind in ("inputs", "outputs") for each in card[kind]):
        yield "shape: its first side is the batch, null"
    shapes = card["sample_shapes"]
    if {*shapes} != {each.name for each in inputs}:
        yield "sample_shapes: it must have the names of the inputs"
    elif not all(each.fits((1, *shapes[each.name])) for each in inputs):
        yield "sample_shapes: they must fit the inputs"
    elif sum(prod(shape) for shape in shapes.values()) > MOST_NUMBERS:
        yield f"sample_shapes: a sample has at most {MOST_NUMBERS:,} numbers"


def _wrong_images(inputs: list[Tensor], card: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong about images and classes."""
    first, *others = card["outputs"]
    if (names := card["class_names"]) and (others or first["shape"][1:] != [len(names)]):
        yield f"class_names: there are {len(names)}, and outputs of another number"
    if card["preprocessing"]:
        image = image_shape(inputs)
        try:
            Preprocessing(**card["preprocessing"]).check_channels((image or [0])[-1] or 0)
        except (TypeError, ValueError) as error:
            yield f"preprocessing: {error}"


def _leaves(nesting: Any, deepest: int = DEEPEST) -> Iterator[int]:
    """The numbers of the inputs; -1 for what can be none."""
    if isinstance(nesting, dict | list) and deepest:
        for each in nesting.values() if isinstance(nesting, dict) else nesting:
            yield from _leaves(each, deepest - 1)
    else:
        yield nesting if type(nesting) is int else -1
