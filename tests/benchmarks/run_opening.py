"""The CPU time to open a long run, beside an older version.

    python tests/benchmarks/run_opening.py --against FOLDER [--pairs 60]

FOLDER is a checkout. Each version writes a run of 5,000 steps of 110 layers with 50 epochs, in
batches of 64 steps, and opens its own run, in turn in one process, so that each pair sees the same
machine. Fails if this version takes more than 1.1 times the time in the median pair.
"""

import argparse
import importlib
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

LIMIT = 1.1
STEPS, LAYERS, EPOCHS, BATCH = 5000, 110, 50, 64
STATISTICS = "grad_norm", "grad_max", "grad_nonfinite", "weight_norm", "update_norm", "frozen"
SCALARS = ("loss_scale", "clip_factor", "learning_rate", "optimizer", "loss", "input_min",
           "input_max", "input_mean", "input_nonfinite")  # fmt: skip


class Version:
    """The package as it is in a folder. One process can run several versions in turn."""

    def __init__(self, folder):
        set_aside()
        sys.path.insert(0, str(folder))
        self.runs = importlib.import_module("keraskip.runs")
        sys.path.remove(str(folder))
        assert Path(self.runs.__file__).is_relative_to(folder), self.runs.__file__
        self.modules = set_aside()

    def __enter__(self):
        sys.modules.update(self.modules)
        return self.runs

    def __exit__(self, *_):
        self.modules = set_aside()

    def write(self, folder):
        """A run of random numbers, the same ones for each version."""
        random = np.random.default_rng(0)
        weights = [weight(depth) for depth in range(LAYERS)]
        with self as runs:
            writer = runs.RunWriter(
                folder, {"optimizers": ["optimizer"]}, weights, STATISTICS, SCALARS
            )
            for begin in range(0, STEPS, BATCH):
                steps = np.arange(begin, min(begin + BATCH, STEPS))
                values = random.normal(size=(len(steps), LAYERS, len(STATISTICS)))
                writer.append(steps, values, np.zeros((len(steps), len(SCALARS))))
            for epoch in range(EPOCHS):
                count = STEPS * (epoch + 1) // EPOCHS
                writer.add_epoch({"epoch": epoch, "steps": count, "next_step": count, "loss": 1.0})
            writer.mark("finished")

    def seconds(self, folder):
        """The CPU seconds to open a run, all threads together."""
        with self as runs:
            start = time.process_time()
            run = runs.load_run(folder)
            taken = time.process_time() - start
        assert run.grad_norm.shape == (STEPS, LAYERS)
        return taken


def set_aside():
    """Takes the loaded version out of Python's modules, so that another one can be loaded."""
    ours = [name for name in sys.modules if name.partition(".")[0] == "keraskip"]
    return {name: sys.modules.pop(name) for name in ours}


def weight(depth):
    name = f"layer_{depth}"
    after = [f"layer_{depth - 1}"] if depth else []
    return {"path": f"{name}/kernel", "layer": name, "role": "kernel", "depth": depth + 1,
            "shape": [3, 3, 16, 16], "size": 2304, "positions": 1, "after": after,
            "last": depth == LAYERS - 1}  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--against", type=Path, required=True, help="a checkout of another version")
    arguments = parser.parse_args()
    versions = {
        "this": Version(Path(__file__).parents[2]),
        "other": Version(arguments.against.resolve()),
    }
    pairs = []
    with TemporaryDirectory() as place:
        for name, version in versions.items():
            version.write(Path(place) / name)
        for pair in range(arguments.pairs + 3):
            order = [*versions] if pair % 2 else [*versions][::-1]
            taken = {name: versions[name].seconds(Path(place) / name) for name in order}
            pairs.append((taken["this"], taken["other"]))
    ours, theirs = (1000 * statistics.median(each) for each in zip(*pairs[3:], strict=True))
    # The first pairs warm up.
    low, median, high = statistics.quantiles((one / other for one, other in pairs[3:]), n=4)
    print(f"{ours:.2f} ms beside {theirs:.2f} ms; median ratio {median:.3f}, "
          f"middle half {low:.3f} to {high:.3f}, {arguments.pairs} pairs")  # fmt: skip
    return median > LIMIT


if __name__ == "__main__":
    sys.exit(main())
