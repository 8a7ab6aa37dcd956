"""Compares two networks of 20 layers on handwritten digits: with and without skip connections.

Trains each for two epochs, with sigmoid and without normalisation, and prints the verdicts: the
gradient vanishes in the plain network and keeps its size in the residual one.
About 20 seconds on two cores.
"""

import sys
from pathlib import Path

import keras

import keraskip
from keraskip.data import load_data

out = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/example")
digits = load_data("digits")

for name, build in {"plain20": keraskip.build_plain, "resnet20": keraskip.build_resnet}.items():
    keras.utils.set_random_seed(0)
    model = build(
        20,
        variant="preact",
        input_shape=digits.input_shape,
        classes=digits.classes,
        activation="sigmoid",
        normalization=None,
    )
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    recorder = keraskip.GradientRecorder(out / name, overwrite=True, verbose=0)
    model.fit(digits.train.images, digits.train.labels, epochs=2, verbose=0, callbacks=[recorder])

comparison = keraskip.compare(out / "plain20", out / "resnet20")
print(comparison.table())
print(comparison.save(out / "report.html"))
