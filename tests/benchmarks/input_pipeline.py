"""What the pipeline adds to a training step, beside a batch that lies in memory.

    python tests/benchmarks/input_pipeline.py [--rounds 12] [--steps 20] [--batch 64]

ResNet-20 on shifted and mirrored images of 32x32x3, as in He et al. 2015. Both ways run in turn in
one process, for so many steps at a time, and the other one begins in each round. Fails if the
median ratio is above 1.05. Runs on the backend that KERAS_BACKEND names.
"""

import argparse
import itertools
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from keraskip import build_resnet
from keraskip.data import load_data
from keraskip.data.batches import Batches
from keraskip.data.feeding import TrainingFeed

TARGET = 1.05


def images(folder, count=5000):
    """Bytes like those of CIFAR-10; their values do not matter for the time."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (count, 32, 32, 3)).astype("uint8")
    np.savez(folder / "images.npz", x_train=pixels, y_train=np.arange(count) % 10)
    return load_data(f"npz:{folder / 'images.npz'}")


def in_memory(batch):
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.data.Dataset.from_tensors(batch).repeat()
    return itertools.repeat(batch)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in ("rounds", 12), ("steps", 20), ("batch", 64):
        parser.add_argument(f"--{name}", type=int, default=value)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = images(Path(folder))
    augment = ("crop", "flip")
    batches = Batches(data.train, *data.mean_and_deviation, arguments.batch, 0, augment)
    epochs = arguments.rounds * arguments.steps // batches.steps + 2
    model = build_resnet(20)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "sparse_categorical_crossentropy")
    # Each is one stream, read on from round to round.
    streams = {
        "pipeline": iter(TrainingFeed(batches, range(epochs)).data()),
        "memory": iter(in_memory(batches.at(0, 0))),
    }

    def seconds(way):
        start = time.perf_counter()
        for _ in range(arguments.steps):
            model.train_on_batch(*next(streams[way]))
        return time.perf_counter() - start

    for way in streams:
        seconds(way)
    ratios, steps = [], []
    for number in range(arguments.rounds):
        order = list(streams)[:: 1 if number % 2 else -1]
        taken = {way: seconds(way) for way in order}
        ratios.append(taken["pipeline"] / taken["memory"])
        steps.append(1000 * taken["memory"] / arguments.steps)
    low, median, high = statistics.quantiles(ratios, n=4)
    print(
        f"{keras.backend.backend()}, ResNet-20, batch {arguments.batch}, "
        f"{arguments.rounds} x {arguments.steps} steps of {statistics.median(steps):.0f} ms: "
        f"{median:.3f} ({low:.3f} to {high:.3f})"
    )
    sys.exit(median > TARGET)


if __name__ == "__main__":
    main()
