"""What `add_skips` cures: networks as they are, with skips, and with skips of a learned scalar.

    python tests/benchmarks/cures.py [--seeds 3] [--epochs 8] [--only TEXT]

Trains each on the digits of scikit-learn, from the same weights and on the same batches, and prints
the table of the README: the accuracy in the last epoch, and the orders of magnitude that the
signal loses from the last to the first hidden layer, as medians over the seeds. Fails if a network
that the README calls cured is not, or the other way round.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers

import keraskip
from keraskip.data import load_data

RATE = 0.05
LEARNED = 0.8  # an accuracy that chance, 0.1, is far from


def dense(count, activation, width=64):
    hidden = [layers.Dense(width, activation) for _ in range(count)]
    return [layers.Flatten(), *hidden]


def conv(count, activation, width=12):
    hidden = [layers.Conv2D(width, 3, padding="same", activation=activation) for _ in range(count)]
    return [*hidden, layers.GlobalAveragePooling2D()]


# The hidden layers, and whether skips and skips with a learned scalar cure the network. A network
# that learns anyway is expected to go on learning.
NETWORKS = {
    "MLP, 20 sigmoid": (lambda: dense(20, "sigmoid"), False, True),
    "MLP, 20 tanh": (lambda: dense(20, "tanh"), True, True),
    "MLP, 20 ReLU": (lambda: dense(20, "relu"), True, True),
    "MLP, 4 ReLU": (lambda: dense(4, "relu"), True, True),
    "conv, 49 tanh": (lambda: conv(49, "tanh"), True, True),
    "conv, 49 ReLU": (lambda: conv(49, "relu"), False, True),
    "conv, 24 sigmoid": (lambda: conv(24, "sigmoid"), False, False),
    "conv, 24 SELU": (lambda: conv(24, "selu"), True, True),
}
KINDS = {"plain": None, "skips": {}, 'scale="learned"': {"scale": "learned"}}


def built(make, seed, digits):
    keras.utils.set_random_seed(seed)
    head = layers.Dense(digits.classes, "softmax")
    model = keras.Sequential([keras.Input(digits.input_shape), *make(), head])
    model.compile(
        keras.optimizers.SGD(RATE), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


def trained(model, seed, epochs, digits):
    """The accuracy of the last epoch, and the orders that the signal loses."""
    keras.utils.set_random_seed(seed)
    with tempfile.TemporaryDirectory() as folder:
        recorder = keraskip.GradientRecorder(Path(folder) / "run", verbose=0)
        past = model.fit(
            digits.train.images, digits.train.labels, epochs=epochs, verbose=0, callbacks=[recorder]
        )
        lost = keraskip.compare(Path(folder) / "run").verdicts[0].attenuation
    return past.history["accuracy"][-1], lost.value if lost else np.nan


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--only", default="", help="part of the names to run")
    arguments = parser.parse_args()
    digits, wrong = load_data("digits"), 0
    print(f"| network | {' | '.join(KINDS)} |\n|---|{'---|' * len(KINDS)}", flush=True)
    for name, (make, *expected) in NETWORKS.items():
        if arguments.only not in name:
            continue
        cells, learned = [], []
        for options in KINDS.values():
            results = []
            for seed in range(arguments.seeds):
                model = built(make, seed, digits)
                if options is not None:
                    model = keraskip.add_skips(model, verbose=False, **options)
                results.append(trained(model, seed, arguments.epochs, digits))
            accuracy, orders = np.median(results, axis=0)
            learned.append(accuracy > LEARNED)
            cells.append(f"{accuracy:.2f} ({orders:.1f})")
        is_right = learned[1:] == expected
        wrong += not is_right
        print(f"| {name} | {' | '.join(cells)} |{'' if is_right else ' !'}", flush=True)
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
