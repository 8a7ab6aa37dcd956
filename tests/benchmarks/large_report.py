"""The cost of two reports, of one small run and of twelve long runs of a deep network, and of the
diagnosis of one of them in words, without the page.

    python tests/benchmarks/large_report.py

Writes runs of random numbers, and reports on them in another process: the first report joins the
script of the page with its libraries, and those after it find it in the cache. Counts seconds of
the processor, which do not depend on what else the machine does. Fails if the small one takes more
than 2 s with the script at hand, the large one more than 10 s, 1 GB, or 5 MB of page, or the
diagnosis more than 2 s, the imports left out.
"""

import os
import platform
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from test_analysis import write_run
from test_report import INFO

MEMORY, PAGE = 1e9, 5e6
# The loss stays where it is, so that the diagnosis asks every cause.
DIAGNOSIS = """
import sys, time
import numpy as np
from keraskip import compare, load_run
begun = time.process_time()
run = load_run(sys.argv[1])
run.scalars["loss"] = np.random.default_rng(0).normal(2.3, 0.05, len(run.steps))
str(compare(run))
print(time.process_time() - begun)
"""


def cost(runs, steps, layers):
    """CPU seconds, peak memory in bytes over the reports so far, and bytes of the page."""
    random = np.random.default_rng(0)
    epochs = [{"epoch": n, "steps": n, "accuracy": 0.5, "val_accuracy": 0.5} for n in range(100)]
    with tempfile.TemporaryDirectory() as folder:
        for number in range(runs):
            heights = 10.0 ** random.normal(-3, 1, (steps, layers))
            write_run(Path(folder) / f"run{number}", heights, steps=steps, info=INFO, epochs=epochs)
        page = Path(folder) / "report.html"
        begun = processor_seconds()
        program = "from keraskip.cli import app; app()"
        command = [sys.executable, "-c", program, "report", folder, "--out", page]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds, size = processor_seconds() - begun, page.stat().st_size
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(f"{runs:>2} runs x {steps:>4} steps x {layers:>3} layers: {seconds:4.1f} CPU s, "
          f"{memory / 1e9:.2f} GB, page {size / 1e6:.2f} MB", flush=True)  # fmt: skip
    return seconds, memory, size


def cost_in_words(steps, layers):
    """CPU seconds for the diagnosis of one run that does not learn, as the terminal prints it."""
    heights = 10.0 ** np.random.default_rng(0).normal(-3, 1, (steps, layers))
    with tempfile.TemporaryDirectory() as folder:
        write_run(Path(folder) / "run", heights, steps=steps, info=INFO)
        command = [sys.executable, "-c", DIAGNOSIS, Path(folder) / "run"]
        seconds = float(subprocess.run(command, check=True, capture_output=True).stdout)
    print(f" 1 run  x {steps:>4} steps x {layers:>3} layers: {seconds:4.1f} CPU s in words")
    return seconds


def processor_seconds():
    """What the processes that have ended took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main():
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    cost(1, 225, 20)
    small, _, _ = cost(1, 225, 20)
    large, memory, size = cost(12, 5000, 110)
    words = cost_in_words(5000, 110)
    return small > 2 or large > 10 or memory > MEMORY or size > PAGE or words > 2


if __name__ == "__main__":
    sys.exit(main())
