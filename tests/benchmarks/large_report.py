"""What the report of twelve long runs of a deep network costs.

    python tests/benchmarks/large_report.py [--runs 12] [--steps 5000] [--layers 110]

Writes runs of numbers drawn at random, reports on them in a process of its own, and fails if that
takes more than 15 s or 1.5 GB, or if the page has more than 6 MB.
"""

import argparse
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from test_analysis import write_run
from test_report import INFO

SECONDS, BYTES_OF_MEMORY, BYTES_OF_PAGE = 15, 1.5e9, 6e6


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=12)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--layers", type=int, default=110)
    arguments = parser.parse_args()
    random = np.random.default_rng(0)
    shape = arguments.steps, arguments.layers
    epochs = [{"epoch": n, "steps": n, "accuracy": 0.5, "val_accuracy": 0.5} for n in range(100)]
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.runs):
            heights = 10.0 ** random.normal(-3, 1, shape)
            path = Path(folder) / f"run{number}"
            write_run(path, heights, steps=arguments.steps, info=INFO, epochs=epochs)
        page = Path(folder) / "report.html"
        begun = time.perf_counter()
        command = [
            sys.executable,
            "-c",
            "from keraskip.cli import app; app()",
            "report",
            folder,
            "--out",
            page,
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds, size = time.perf_counter() - begun, page.stat().st_size
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(f"{platform.machine()}, {arguments.runs} runs x {arguments.steps} steps x "
          f"{arguments.layers} layers: {seconds:.1f} s, {memory / 1e9:.2f} GB, "
          f"page {size / 1e6:.2f} MB")  # fmt: skip
    return seconds > SECONDS or memory > BYTES_OF_MEMORY or size > BYTES_OF_PAGE


if __name__ == "__main__":
    sys.exit(main())
