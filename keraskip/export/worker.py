"""A process with TensorFlow that writes the artefact described by JSON on standard input."""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

REPRESENTATIVE = "representative.npy"


def main() -> None:
    """Loads the model and writes it."""
    task: dict[str, Any] = json.load(sys.stdin)
    from keraskip.export.contract import Contract
    from keraskip.export.preprocessing import Preprocessing
    from keraskip.models.loading import load_model

    options, contract = task["options"], Contract(**task["contract"])
    if options.get("preprocessing"):
        options["preprocessing"] = Preprocessing(**options["preprocessing"])
    representative = Path(task["model"]).with_name(REPRESENTATIVE)
    if representative.exists():
        options["representative"] = np.load(representative)
    write = importlib.import_module(f"keraskip.export.{task['format']}").write
    # Loading without safe mode is fine: the parent process just wrote this file.
    model = load_model(task["model"], safe_mode=False)
    write(model, Path(task["folder"]), contract, **options)


if __name__ == "__main__":
    main()
