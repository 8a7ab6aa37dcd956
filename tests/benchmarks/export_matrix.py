"""Exports many kinds of models in every format, and prints what came of each.

    python tests/benchmarks/export_matrix.py [--models LSTM U-Net ...]

An artefact that is written has passed the gate: its own runtime gives what the model gives. A cell
has the largest difference of all samples, relative to the largest number of an output, and the
choice that the export needed. Fails if more than a tenth of all exports is refused. BERT and GPT-2
need `pip install keras-hub`; without it they are left out, and the last line says so.
"""

import argparse
import os
import sys
import tempfile
import warnings
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from export_models import MODELS
from keras import layers

import keraskip

FORMATS = {
    "SavedModel": keraskip.export_savedmodel,
    "ONNX": keraskip.export_onnx,
    "LiteRT": keraskip.export_litert,
    "OpenVINO": keraskip.export_openvino,
}
# What users choose where an export without it is refused, as its error says.
CHOICES = {"LiteRT": {"batch_size": 1}}
OF_KERAS_HUB = ("BERT, two layers", "GPT-2, two layers")
MOST_REFUSED = 0.1


def with_statistics(model):
    """The moving statistics as after training, so that nothing warns or explodes."""
    random = np.random.default_rng(0)
    for layer in model._flatten_layers():
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([random.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    return model


def outcome(export, model, **options):
    """The largest difference to the model, or the sentence why it is not written."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            path = export(model, Path(folder) / "out", **options)
        except keraskip.ExportError as error:
            return None, str(error).rpartition("cannot be written as ")[-1]
        return max(keraskip.Artefact(path).card["parity"].values()), ""


def cell(format, model):
    """A cell of the table, and the sentence why not, if the model is refused."""
    difference, reason = outcome(FORMATS[format], model)
    if difference is not None:
        return f"{difference:.0e}", ""
    if (choice := CHOICES.get(format)) is not None:
        difference, _ = outcome(FORMATS[format], model, **choice)
        if difference is not None:
            ((name, value),) = choice.items()
            return f"{difference:.0e}, `{name}={value}`", ""
    return "no", reason


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    names = parser.parse_args().models
    left_out = [] if find_spec("keras_hub") else [name for name in names if name in OF_KERAS_HUB]
    names = [name for name in names if name not in left_out]
    # LiteRT's converter and interpreter say so of each other.
    warnings.simplefilter("ignore")
    refused = []
    print(f"| model | {' | '.join(FORMATS)} |\n|---|{'---|' * len(FORMATS)}")
    for name in names:
        keras.utils.set_random_seed(0)
        model, cells = with_statistics(MODELS[name]()), []
        for format in FORMATS:
            text, reason = cell(format, model)
            cells.append(text)
            if reason:
                refused.append(f"{name}, {format}: {reason}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
        keras.backend.clear_session()
    exports = len(names) * len(FORMATS)
    print(f"\n{exports - len(refused)} of {exports} written and equal.", *refused, sep="\n- ")
    if left_out:
        print(f"Left out, as keras-hub is not installed: {'; '.join(left_out)}")
    return len(refused) > MOST_REFUSED * exports


if __name__ == "__main__":
    sys.exit(main())
