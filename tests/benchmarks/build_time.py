"""The time to build our large networks, beside the time of keras.applications.

Both are built in turn in one process, so that the ratio of each pair sees the same machine:

    python tests/benchmarks/build_time.py [--pairs 7]

Fails if the median ratio of a network is above 1.

Then it builds the deepest networks, each in a separate process, and fails above 30 s or 4 GiB or
with another number of parameters.
"""

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from keraskip import build

TARGET = 1.0
# With their trainable parameters, by the formula for their kind.
DEEPEST = {"plain1202": 19_421_274, "resnet1202": 19_421_274, "preact_resnet1001": 10_327_706}
SECONDS_TARGET, GIB_TARGET = 30, 4
NETWORKS = {"resnet152": "ResNet152", "densenet201": "DenseNet201"}


def seconds(make):
    keras.backend.clear_session()
    start = time.perf_counter()
    make()
    return time.perf_counter() - start


def ratios(name, pairs):
    application = getattr(keras.applications, NETWORKS[name])
    makers = [
        lambda: build(name),
        lambda: application(weights=None),
    ]
    ratios_of_pairs = []
    for pair in range(pairs + 1):
        print(f"{name}: {pair} of {pairs}", file=sys.stderr)
        order = makers if pair % 2 else makers[::-1]
        taken = {make: seconds(make) for make in order}
        ratios_of_pairs.append(taken[makers[0]] / taken[makers[1]])
    return ratios_of_pairs[1:]  # the first pair warms up


def build_once(name):
    """Prints the seconds that a network takes to build, and the peak of the process in GiB."""
    built = []
    taken = seconds(lambda: built.append(build(name)))
    parameters = sum(weight.size for weight in built[0].get_weights())
    frozen = sum(np.prod(weight.shape) for weight in built[0].non_trainable_weights)
    assert parameters - frozen == DEEPEST[name], parameters - frozen
    print(taken, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)


def deepest():
    """Builds the deepest networks; whether one took too much."""
    print(f"\n{'network':<20} {'seconds':>8} {'peak, GiB':>10}")
    missed = False
    for name in DEEPEST:
        command = [sys.executable, __file__, "--once", name]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        taken, peak = map(float, printed.split())
        missed |= taken > SECONDS_TARGET or peak > GIB_TARGET
        print(f"{name:<20} {taken:8.1f} {peak:10.2f}")
    return missed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--once", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.once:
        return build_once(arguments.once)
    pairs = arguments.pairs
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
          f"Python {platform.python_version()}, Keras {keras.__version__} on "
          f"{keras.backend.backend()}, {pairs} pairs")  # fmt: skip
    print(f"{'network':<12} {'median ratio':>12} {'range':>14}")
    missed = False
    for name in NETWORKS:
        measured = ratios(name, pairs)
        median = statistics.median(measured)
        missed |= median > TARGET
        print(f"{name:<12} {median:12.3f} {min(measured):7.3f} –{max(measured):6.3f}")
    return deepest() or missed


if __name__ == "__main__":
    sys.exit(main())
