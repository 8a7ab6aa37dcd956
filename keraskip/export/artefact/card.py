"""The description of an artefact: `model_card.json` for programs, `README.md` for people."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keraskip.checks import check_number
from keraskip.export.artefact import layout
from keraskip.export.artefact.drafts import CARD_FILE
from keraskip.export.artefact.page import readme
from keraskip.export.network.tensors import Tensor
from keraskip.models.origin import origin_of
from keraskip.runs import INFO_FILE, read_info
from keraskip.versions import versions

if TYPE_CHECKING:
    import keras

    from keraskip.export.network.contract import Contract

PACKAGES = (
    "keraskip", "keras", "tensorflow", "jax", "torch", "tf2onnx", "onnx", "onnxruntime",
    "ai-edge-litert", "openvino", "numpy",
)  # fmt: skip
README_FILE = "README.md"
# Halves of surrogate pairs, as Python has them for names of folders that are no text.
HALVES = re.compile("[\ud800-\udfff]")


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
        "schema": layout.SCHEMA,
        "name": model.name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "architecture": _architecture(model),
        "inputs": entries(contract.inputs),
        "nesting": contract.nesting,
        "weights": origin and origin.source,
        "training": training,
        "metrics": test_results if metrics is None else _numbers(metrics),
        "versions": versions(PACKAGES),
    }


def entries(tensors: Iterable[Tensor]) -> list[dict[str, Any]]:
    """Inputs or outputs as the card has them, with the axis of the batch."""
    return [{**asdict(each), "shape": [None, *each.shape]} for each in tensors]


def write(folder: Path, card: Mapping[str, Any]) -> None:
    """Writes both files, with the sizes of the artefact's files.

    Raises:
        ValueError: if nobody could read the card.
    """
    files = {
        file.relative_to(folder).as_posix(): file.stat().st_size
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }
    text = json.dumps({**card, "files": files}, indent=1, allow_nan=False, ensure_ascii=False)
    # In JSON, the escape of a half would be the half itself, so its backslash is escaped, too.
    text = HALVES.sub(lambda half: rf"\\u{ord(half[0]):x}", text)
    (folder / CARD_FILE).write_text(text, "utf-8")
    (folder / README_FILE).write_text(readme(layout.read(folder)), "utf-8")


def _numbers(metrics: Mapping[str, float]) -> dict[str, float]:
    try:
        # A tensor is fine, too.
        numbers = {
            str(name): value if isinstance(value, bool | np.bool_) else float(value)
            for name, value in metrics.items()
        }
        return {name: check_number(name, value) for name, value in numbers.items()}
    except (TypeError, ValueError, AttributeError, OverflowError):
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
