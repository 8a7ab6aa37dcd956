"""How long our large networks take to build, beside those of keras.applications.

Both are built in turn in one process, so that the ratio of each pair sees the same machine:

    python tests/benchmarks/build_time.py [--pairs 7]

Fails if the median ratio of a network is above 1.
"""

import argparse
import os
import platform
import statistics
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

from keraskip import build

TARGET = 1.0
NETWORKS = {"resnet152": "ResNet152", "densenet201": "DenseNet201"}


def seconds(make):
    keras.backend.clear_session()
    start = time.perf_counter()
    make()
    return time.perf_counter() - start


def ratios(name, pairs):
    application = getattr(keras.applications, NETWORKS[name])
    # Both start from the same random numbers, which are half of the work.
    makers = [
        lambda: build(name, kernel_initializer="glorot_uniform"),
        lambda: application(weights=None),
    ]
    for make in makers:
        make()
    found = []
    for pair in range(pairs):
        print(f"{name}: {pair + 1} of {pairs}", file=sys.stderr)
        order = makers if pair % 2 else makers[::-1]
        taken = {make: seconds(make) for make in order}
        found.append(taken[makers[0]] / taken[makers[1]])
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=7)
    pairs = parser.parse_args().pairs
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
          f"Python {platform.python_version()}, Keras {keras.__version__} on "
          f"{keras.backend.backend()}, {pairs} pairs")  # fmt: skip
    print(f"{'network':<12} {'median ratio':>12} {'range':>14}")
    medians = []
    for name in NETWORKS:
        found = ratios(name, pairs)
        medians.append(statistics.median(found))
        print(f"{name:<12} {medians[-1]:12.3f} {min(found):7.3f} –{max(found):6.3f}")
    return max(medians) > TARGET


if __name__ == "__main__":
    sys.exit(main())
