"""Trains a network of each family on digits, exports it in every way, compares all test images.

    python tests/benchmarks/export_round_trips.py [--networks resnet20 ...] [--epochs 8]

Fails if a SavedModel differs from the model by more than 1e-5, or folded, as ONNX or as LiteRT by
more than 1e-4, if one of them finds another first class for any of the 359 test images, or if eight
bits change the accuracy by more than a point. The largest differences are relative to the largest
output, or to 1.
"""

import argparse
import os
import sys
import tempfile
from functools import partial
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import keraskip
from keraskip.data import load_data

LARGE = {"stem": "imagenet"}
NETWORKS = {
    "plain20": partial(keraskip.build, "plain20"),
    "resnet20": partial(keraskip.build, "resnet20"),
    "preact164": partial(keraskip.build, "preact_resnet164"),
    "resnet50": partial(keraskip.build, "resnet50"),
    "densenet_bc100": partial(keraskip.build, "densenet_bc100_k12"),
    "densenet121": partial(keraskip.build, "densenet121"),
    "memory-efficient": partial(keraskip.build, "densenet_bc100_k12", memory_efficient=True),
    "stochastic depth": partial(keraskip.build, "resnet20", stochastic_depth_rate=0.2),
    "mixed float16": partial(keraskip.build, "resnet20"),
    "mixed bfloat16": partial(keraskip.build, "resnet20"),
}
# Networks with the stem of ImageNet want larger images: each pixel as a square of so many. Where
# the last maps have one pixel, statistics have heavy tails, and eight bits do not suffice.
ENLARGED = {"resnet50": 8, "densenet121": 4}


def digits(name):
    data = load_data("digits")
    mean, deviation = data.mean_and_deviation
    factor = ENLARGED.get(name, 1)

    def prepared(part):
        images = ((part.images - mean) / deviation).astype("float32")
        return images.repeat(factor, axis=1).repeat(factor, axis=2), part.labels

    return prepared(data.train), prepared(data.test)


def trained(name, x, y, epochs):
    keras.utils.set_random_seed(0)
    policy = name.replace(" ", "_") if name.startswith("mixed") else "float32"
    keras.config.set_dtype_policy(policy)
    model = NETWORKS[name](input_shape=x.shape[1:], classes=10)
    keras.config.set_dtype_policy("float32")
    # The same networks of keras.applications have moving averages for long trainings.
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.9
    steps = epochs * -(-len(x) // 64)
    rate = keras.optimizers.schedules.CosineDecay(0.02, steps)
    optimizer = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=1e-4)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=64, epochs=epochs, verbose=0)
    return model


def exports(model, x, folder):
    """Each kind of artefact, and how much it may differ."""
    savedmodel, litert = keraskip.export_savedmodel, keraskip.export_litert
    yield "unfolded", savedmodel(model, folder / "u", fold_batch_norm=False, samples=x[:8]), 1e-5
    yield "folded", savedmodel(model, folder / "f", samples=x[:8]), 1e-4
    yield "onnx", keraskip.export_onnx(model, folder / "o", samples=x[:8]), 1e-4
    yield "litert", litert(model, folder / "l", samples=x[:8]), 1e-4
    eight_bits = {"quantization": "int8", "representative": x[:: len(x) // 100]}
    yield "int8", litert(model, folder / "i", **eight_bits), None


def reference(model, x):
    """What the model gives, in half precision that of its twin in float32."""
    from keraskip.export.network.shipping import shipping_of

    return shipping_of(model, fold=False).network.predict(x, verbose=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--epochs", type=int, default=8)
    arguments = parser.parse_args()
    missed = False
    print(f"{'network':<18} {'artefact':<9} {'difference':>10} {'same first':>10} {'accuracy':>9} "
          f"{'model':>6} {'MB':>7}")  # fmt: skip
    for name in arguments.networks:
        print(f"training {name}", file=sys.stderr)
        (x, y), (images, labels) = digits(name)
        model = trained(name, x, y, arguments.epochs)
        expected = reference(model, images)
        right = (expected.argmax(axis=1) == labels).mean()
        with tempfile.TemporaryDirectory() as folder:
            for kind, path, tolerance in exports(model, x, Path(folder)):
                found = keraskip.Artefact(path)(images)["predictions"]
                difference = np.abs(found - expected).max() / max(1, np.abs(expected).max())
                same = (found.argmax(axis=1) == expected.argmax(axis=1)).mean()
                accuracy = (found.argmax(axis=1) == labels).mean()
                size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
                print(f"{name:<18} {kind:<9} {difference:10.1e} {same:10.3f} {accuracy:9.3f} "
                      f"{right:6.3f} {size / 1e6:7.2f}", flush=True)  # fmt: skip
                if tolerance:
                    missed |= difference > tolerance or same < 1
                else:
                    missed |= abs(accuracy - right) > 0.01
        keras.utils.clear_session()
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
