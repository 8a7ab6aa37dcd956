"""How long our large networks take to build, beside those of keras.applications.

Both are built in turn in one process, so that the ratio of each pair sees the same machine:

    python tests/benchmarks/build_time.py [--pairs 7]

Fails if the median ratio of a network with the same initialisation is above 1. The second figure
is with our own, He's normal, whose random numbers take longer than the uniform ones of Keras.
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


def ratios(name, initializer, pairs):
    application = getattr(keras.applications, NETWORKS[name])
    makers = [
        lambda: build(name, kernel_initializer=initializer),
        lambda: application(weights=None),
    ]
    found = []
    for pair in range(pairs + 1):
        print(f"{name}, {initializer}: {pair} of {pairs}", file=sys.stderr)
        order = makers if pair % 2 else makers[::-1]
        taken = {make: seconds(make) for make in order}
        found.append(taken[makers[0]] / taken[makers[1]])
    return found[1:]  # the first pair warms up


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=7)
    pairs = parser.parse_args().pairs
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
          f"Python {platform.python_version()}, Keras {keras.__version__} on "
          f"{keras.backend.backend()}, {pairs} pairs")  # fmt: skip
    print(f"{'network':<12} {'initializer':<15} {'median ratio':>12} {'range':>14}")
    missed = False
    for name in NETWORKS:
        for initializer in ("glorot_uniform", "he_normal"):
            found = ratios(name, initializer, pairs)
            median = statistics.median(found)
            missed |= initializer == "glorot_uniform" and median > TARGET
            print(
                f"{name:<12} {initializer:<15} {median:12.3f} {min(found):7.3f} –{max(found):6.3f}"
            )
    return missed


if __name__ == "__main__":
    sys.exit(main())
