"""The description of an artefact: `model_card.json` for programs, `README.md` for people."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keraskip.checks import check_number
from keraskip.export.artefact.drafts import CARD_FILE
from keraskip.export.formats import FORMATS
from keraskip.export.network.tensors import Tensor, image_shape
from keraskip.models.origin import origin_of
from keraskip.runs import INFO_FILE, read_info
from keraskip.tables import with_unit
from keraskip.versions import versions

if TYPE_CHECKING:
    import keras

    from keraskip.export.network.contract import Contract

PACKAGES = (
    "keraskip", "keras", "tensorflow", "jax", "torch", "tf2onnx", "onnx", "onnxruntime",
    "ai-edge-litert", "numpy",
)  # fmt: skip
README_FILE = "README.md"
# Class names in the README, so that they fit one row.
MOST_NAMES = 20


def describe(
    model: "keras.Model",
    contract: "Contract",
    run: str | Path | None,
    metrics: Mapping[str, float] | None,
) -> dict[str, Any]:
    """The part of a card that does not depend on the format."""
    training = _training(run)
    test_results = (training or {}).pop("test", {})
    # A run has trained the weights further.
    origin = None if training else origin_of(model)
    return {
        "name": model.name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "architecture": _architecture(model),
        "inputs": [_entry(each) for each in contract.inputs],
        "nesting": contract.nesting,
        "outputs": [_entry(each) for each in contract.outputs],
        "weights": origin and origin.source,
        "training": training,
        "metrics": test_results if metrics is None else _numbers(metrics),
        "versions": versions(PACKAGES),
    }


def _entry(tensor: Tensor) -> dict[str, Any]:
    """An input or output as the card has it, with the axis of the batch."""
    return {**asdict(tensor), "shape": [None, *tensor.shape]}


def tensor_of(entry: Mapping[str, Any]) -> Tensor:
    """An input or output of a card."""
    return Tensor(**{**entry, "shape": tuple(entry["shape"][1:])})


def write(folder: Path, card: Mapping[str, Any]) -> None:
    """Writes both files, with the sizes of the artefact's files."""
    files = {
        file.relative_to(folder).as_posix(): file.stat().st_size
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }
    card = {**card, "files": files}
    (folder / CARD_FILE).write_text(json.dumps(card, indent=1, allow_nan=False), "utf-8")
    (folder / README_FILE).write_text(readme(card), "utf-8")


def read(folder: Path) -> dict[str, Any]:
    """The card of an artefact; ValueError if the folder is no artefact."""
    if not (folder / CARD_FILE).is_file():
        raise ValueError(f"An artefact of keraskip has a {CARD_FILE}. Received: {folder}")
    return json.loads((folder / CARD_FILE).read_text("utf-8"))


def readme(card: Mapping[str, Any]) -> str:
    """The card as a page to read."""
    network = card["architecture"]
    lines = [
        f"# {card['name']}",
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
        *(_row(f"{kind} `{each['name']}`", tensor_text(each))
          for kind in ("input", "output") for each in card[f"{kind}s"]),
        _row("signatures", ", ".join(card["signatures"])),
        _row("weights", card["weights"]),
        _row("classes", ", ".join(card["class_names"][:MOST_NAMES])),
        _row("batch normalisations folded", card["folded"]),
        _row("quantisation", card["quantization"]),
        *(_row(name, f"{value:.4g}") for name, value in card["metrics"].items()),
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
    return f"Trained as `{training['run']}`, started {training['started']}: {training['trial']}\n"


def _numbers(metrics: Mapping[str, float]) -> dict[str, float]:
    try:
        # A tensor is fine, too.
        numbers = {
            str(name): value if isinstance(value, bool | np.bool_) else float(value)
            for name, value in metrics.items()
        }
        return {name: check_number(name, value) for name, value in numbers.items()}
    except (TypeError, ValueError, AttributeError):
        raise ValueError(
            f"metrics must be names and finite numbers. Received: metrics={metrics}"
        ) from None


def _training(run: str | Path | None) -> dict[str, Any] | None:
    """The facts about the training that `run.json` has."""
    if run is None:
        return None
    if not (Path(run) / INFO_FILE).is_file():
        raise ValueError(f"run must be a folder with a {INFO_FILE}. Received: run={str(run)!r}")
    info = read_info(run)
    test = info.get("test", [{}])[-1]
    return {
        "run": Path(run).resolve().name,
        "started": info.get("started"),
        "trial": info.get("trial", {}),
        "epochs": len(info["epochs"]),
        "versions": info.get("versions", {}),
        "test": {f"test {name}": value for name, value in test.items() if name != "epoch"},
    }


def _architecture(model: "keras.Model") -> dict[str, Any]:
    from keraskip.models.anatomy import anatomy

    try:
        facts = anatomy(model)
        macs, depth = facts.macs, facts.depth
    except (TypeError, ValueError):
        # The model has no graph, or takes images of any size.
        macs = depth = None
    return {"parameters": int(model.count_params()), "macs": macs, "depth": depth}
