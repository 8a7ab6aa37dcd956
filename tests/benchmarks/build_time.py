"""The CPU time to build our networks, beside keras.applications or an older version of us.

Both of a pair are built in turn in one process, so that the ratio of each pair sees the same
machine. The ratio of their Python calls does not depend on the machine at all:

    python tests/benchmarks/build_time.py [--pairs 7]

Fails if a network takes more CPU time than that of keras.applications in the median pair, or 1 %
more calls. Then it builds the deepest networks, each in a separate process, and fails above 30 s or
4 GiB or with another number of parameters.

    python tests/benchmarks/build_time.py --against FOLDER

compares with the version in FOLDER, a checkout, in building and in exporting. It fails if this
version makes 1 % more calls, or takes 5 % more CPU time in three of four pairs. Beside other work
the same version differs from itself by a tenth in a pair.
"""

import argparse
import cProfile
import importlib
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

MOST_CALLS, MOST_SECONDS = 1.01, 1.05
# With their trainable parameters, by the formula for their kind.
DEEPEST = {"plain1202": 19_421_274, "resnet1202": 19_421_274, "preact_resnet1001": 10_327_706}
SECONDS_TARGET, GIB_TARGET = 30, 4
NETWORKS = {"resnet152": "ResNet152", "densenet201": "DenseNet201"}
AGAINST_OLDER = {"build": ("resnet56", "resnet152", "densenet201"), "export": ("resnet20",)}


class Version:
    """The package as it is in a folder. One process can run several versions in turn."""

    def __init__(self, folder):
        set_aside()
        sys.path.insert(0, str(folder))
        self.package = importlib.import_module("keraskip")
        sys.path.remove(str(folder))
        assert Path(self.package.__file__).is_relative_to(folder), self.package.__file__
        self.modules = set_aside()

    def __enter__(self):
        sys.modules.update(self.modules)
        return self.package

    def __exit__(self, *_):
        self.modules = set_aside()

    def build(self, name):
        with self as package:
            return package.build(name)

    def export(self, model):
        with self as package, TemporaryDirectory() as place, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The moving statistics")
            package.export_savedmodel(model, Path(place) / "model")


def set_aside():
    """Takes the loaded version out of Python's modules, so that another one can be loaded."""
    ours = [name for name in sys.modules if name.partition(".")[0] == "keraskip"]
    return {name: sys.modules.pop(name) for name in ours}


def seconds(make):
    """The CPU seconds of a call, all threads together."""
    keras.backend.clear_session()
    start = time.process_time()
    make()
    return time.process_time() - start


def calls(make):
    profile = cProfile.Profile()
    profile.runcall(make)
    return sum(entry.callcount for entry in profile.getstats())


def compare(what, ours, theirs, pairs):
    """Prints the ratio of our CPU seconds and calls to theirs.

    Returns the quartiles of the first and the second.
    """
    ratios = []
    for pair in range(pairs + 1):
        print(f"{what}: {pair} of {pairs}", file=sys.stderr)
        order = (ours, theirs) if pair % 2 else (theirs, ours)
        taken = {make: seconds(make) for make in order}
        ratios.append(taken[ours] / taken[theirs])
    quartiles = statistics.quantiles(ratios[1:], n=4)  # the first pair warms up
    share = calls(ours) / calls(theirs)
    low, median, high = quartiles
    print(f"{what:<20} {median:12.3f} {low:7.3f} –{high:6.3f} {share:9.4f}", flush=True)
    return quartiles, share


def beside_applications(ours, pairs):
    """Whether a network takes more than that of keras.applications."""
    missed = False
    for name, theirs in NETWORKS.items():
        application = getattr(keras.applications, theirs)
        (_, median, _), share = compare(
            f"build {name}",
            lambda name=name: ours.build(name),
            lambda application=application: application(weights=None),
            pairs,
        )
        missed |= median > 1 or share > MOST_CALLS
    return missed


def beside_older(ours, older, pairs):
    """Whether this version takes more than an older one."""
    missed = False
    for work, names in AGAINST_OLDER.items():
        for name in names:
            (low, _, _), share = compare(
                f"{work} {name}", *(task(version, work, name) for version in (ours, older)), pairs
            )
            missed |= low > MOST_SECONDS or share > MOST_CALLS
    return missed


def task(version, work, name):
    """A function of no arguments that builds, or exports what was built before."""
    if work == "build":
        return lambda: version.build(name)
    model = version.build(name)
    return lambda: version.export(model)


def build_once(name):
    """Prints the seconds that a network takes to build, and the peak of the process in GiB."""
    built, ours = [], Version(Path(__file__).parents[2])
    taken = seconds(lambda: built.append(ours.build(name)))
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
    parser.add_argument("--against", type=Path, help="a checkout of an older version")
    parser.add_argument("--once", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.once:
        return build_once(arguments.once)
    pairs, ours = arguments.pairs, Version(Path(__file__).parents[2])
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
          f"Python {platform.python_version()}, Keras {keras.__version__} on "
          f"{keras.backend.backend()}, {pairs} pairs")  # fmt: skip
    print(f"{'work':<20} {'median ratio':>12} {'middle half':>15} {'calls':>9}", flush=True)
    if arguments.against:
        return beside_older(ours, Version(arguments.against.resolve()), pairs)
    missed = beside_applications(ours, pairs)
    return deepest() or missed


if __name__ == "__main__":
    sys.exit(main())
