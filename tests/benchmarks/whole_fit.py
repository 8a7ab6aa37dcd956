"""What a recorder costs a whole `fit`, its first step included, in which the step is traced.

    python tests/benchmarks/whole_fit.py --models resnet20 resnet56 --pairs 5

Trains each network for three epochs on the digits, with a recorder and without, in turns in one
process, and prints the median of the ratios of neighbours.
"""

import argparse
import os
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from sklearn.datasets import load_digits

import keraskip

EPOCHS, BATCH = 3, 64


def seconds(name: str, is_recorded: bool) -> float:
    """The time of one training, without that of building the network."""
    images, labels = load_digits(return_X_y=True)
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    model = keraskip.build(name, input_shape=(8, 8, 1))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    with tempfile.TemporaryDirectory() as folder:
        callbacks = [keraskip.GradientRecorder(folder, overwrite=True)] if is_recorded else []
        options = {"batch_size": BATCH, "epochs": EPOCHS, "verbose": 0, "callbacks": callbacks}
        start = time.perf_counter()
        model.fit(images.reshape(-1, 8, 8, 1) / 16, labels, **options)
        return time.perf_counter() - start


def main() -> None:
    """Prints a line for each network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["resnet20", "resnet56"])
    parser.add_argument("--pairs", type=int, default=5)
    chosen = parser.parse_args()
    print(f"{keras.backend.backend()}, {EPOCHS} epochs, batch {BATCH}, {chosen.pairs} pairs")
    for name in chosen.models:
        seconds(name, False)  # what is made once in a process
        pairs = []
        for number in range(chosen.pairs):
            # Each comes first in turn.
            first, second = (seconds(name, bool(number % 2) ^ later) for later in (False, True))
            without, recorded = (second, first) if number % 2 else (first, second)
            pairs.append((without, recorded))
            print(f"{name}: {without:.1f} s without, {recorded:.1f} s recorded", flush=True)
        ratios = [recorded / without for without, recorded in pairs]
        print(f"{name}: median {np.median(ratios):.3f}, {min(ratios):.3f} to {max(ratios):.3f}")


if __name__ == "__main__":
    main()
