"""The card of an artefact as a page to read."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keraskip.export.artefact.layout import tensor_of
from keraskip.export.formats import FORMATS
from keraskip.export.network.tensors import image_shape
from keraskip.labels import in_markdown, in_one_line
from keraskip.tables import with_unit

# Class names in the README, so that they fit one row.
MOST_NAMES = 20


def readme(card: Mapping[str, Any]) -> str:
    """The card as a page to read."""
    network = card["architecture"]
    lines = [
        f"# {_text(card['name'])}",
        "",
        f"A network in the format {card['format']}, written by keraskip on "
        f"{card['created'][:10]}.",
        "",
        f"    {_loading(card)}",
        "",
        "| | |",
        "|---|---|",
        _row("parameters", f"{network['parameters']:,}"),
        _row("multiply-accumulates", with_unit(network["macs"]) if network["macs"] else None),
        _row("layers with kernels", network["depth"]),
        *(_row(f"{kind} {_code(each['name'])}", tensor_text(each))
          for kind in ("input", "output") for each in card[f"{kind}s"]),
        _row("signatures", ", ".join(card["signatures"])),
        _row("weights", _text(card["weights"] or "")),
        _row("classes", ", ".join(map(_text, card["class_names"][:MOST_NAMES]))),
        _row("batch normalisations folded", card["folded"]),
        _row("quantisation", card["quantization"]),
        *(_row(_text(name), _text(value)) for name, value in card["about"].items()),
        *(_row(_text(name), f"{value:.4g}") for name, value in card["metrics"].items()),
        *(_row(f"difference to the model, {kind}", f"{value:.1e}") for kind, value in
          card["parity"].items()),
        *(_row(f"own rounding of the model, {kind}", f"{value:.1e}") for kind, value in
          card["rounding"].items()),
        "",
        _preprocessing(card),
        _origin(card["training"]),
        "Versions: " + ", ".join(f"{name} {number}" for name, number in card["versions"].items()),
    ]  # fmt: skip
    return "\n".join(line for line in lines if line is not None) + "\n"


def _row(name: str, value: Any) -> str | None:
    return None if value in (None, "") else f"| {name} | {value} |"


def shape_text(sides: Sequence[int | None]) -> str:
    """A shape as people write it, such as `any x 32 x 32 x 3`."""
    return " x ".join("any" if side is None else str(side) for side in sides)


def tensor_text(entry: Mapping[str, Any]) -> str:
    """Shape and type as people write them."""
    numbers = f", 0 to {entry['below'] - 1}" if entry["below"] else ""
    return f"{shape_text(entry['shape'])} {entry['dtype']}{numbers}"


def _loading(card: Mapping[str, Any]) -> str:
    """The line of Python that runs the artefact."""
    names = [each["name"] for each in card["inputs"]]
    return FORMATS[card["format"]].loading.format(
        keywords=", ".join(f"{name}={name}" for name in names),
        items=", ".join(f'"{name}": {name}' for name in names),
    )


def _preprocessing(card: Mapping[str, Any]) -> str | None:
    steps = card["preprocessing"]
    image = image_shape([tensor_of(each) for each in card["inputs"]])
    if not steps or image is None:
        return "The network takes samples in the form that it was trained with.\n"
    raw = [f"`{name}`" for name in card["signatures"] if name != "serve"]
    fitted = f"are scaled, {steps['interpolation']}, and cropped to the input's size, "
    if steps["crop"] < 1:
        fitted += f"{steps['crop']:.4g} of their shorter side, "
    fitted += "then "
    if None in image:
        fitted = ""
    order = f", {steps['channel_order'].upper()}," if image[-1] == 3 else ""
    mean, deviation = (
        ", ".join(f"{number:.4g}" for number in np.ravel(steps[name]))
        for name in ("mean", "deviation")
    )
    return f"Images of 0 to 255{order} {fitted}become `(image - [{mean}]) / [{deviation}]`" + (
        f", in the signatures {' and '.join(raw)}.\n" if raw else ".\n"
    )


def _origin(training: Mapping[str, Any] | None) -> str | None:
    if not training:
        return None
    started, trial = _text(str(training["started"])), _text(str(training["trial"]))
    return f"Trained as {_code(training['run'])}, started {started}: {trial}\n"


def _text(words: str) -> str:
    """Words of somebody else in a line of Markdown, where they are nothing but words."""
    return in_markdown(in_one_line(words))


def _code(words: str) -> str:
    """Words of somebody else as code in Markdown; the fence is longer than theirs."""
    longest = max(map(len, re.findall("`+", words)), default=0)
    fence, space = "`" * (longest + 1), " " if longest else ""
    return f"{fence}{space}{in_one_line(words)}{space}{fence}"
