"""A process with TensorFlow that writes an artefact, as standard input says in JSON."""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

REPRESENTATIVE = "representative.npy"


def main() -> None:
    """Loads the model and writes it."""
    asked: dict[str, Any] = json.load(sys.stdin)
    import keras

    import keraskip.models.recompute  # noqa: F401  so that its layers are known
    from keraskip.export.contract import Contract
    from keraskip.export.preprocessing import Preprocessing
    from keraskip.models.frame import deep_graphs

    options, contract = asked["options"], Contract(**asked["contract"])
    if options.get("preprocessing"):
        options["preprocessing"] = Preprocessing(**options["preprocessing"])
    representative = Path(asked["model"]).with_name(REPRESENTATIVE)
    if representative.exists():
        options["representative"] = np.load(representative)
    write = importlib.import_module(f"keraskip.export.{asked['format']}").write
    with deep_graphs():
        # The file was written by the process that asks, so that its functions are no strangers.
        model = keras.models.load_model(asked["model"], safe_mode=False)
    write(model, Path(asked["folder"]), contract, **options)


if __name__ == "__main__":
    main()
