"""Memory and time of the memory-efficient DenseNet-BC-100 (k=12), beside the ordinary one.

    python tests/benchmarks/densenet_memory.py [--batch-size 64] [--steps 6]

Each network trains in a separate process, in turn one step each, so that both see the same
machine. Fails if the peak of the process, TensorFlow included, is above half of the ordinary
network's, or a step above 1.4 of its time. Also prints the memory that training adds.
"""

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import time

MEMORY_TARGET, TIME_TARGET = 0.5, 1.4
MIB = 1024


def train(efficient, batch_size):
    """Trains a step for each line of input; prints its seconds, and peak and start in MiB."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    import numpy as np

    from keraskip import build

    model = build("densenet_bc100_k12", memory_efficient=efficient)
    model.compile("sgd", "sparse_categorical_crossentropy")
    random = np.random.default_rng(0)
    images = random.normal(size=(batch_size, 32, 32, 3)).astype("float32")
    labels = random.integers(0, 10, batch_size)
    start = peak()
    for _ in sys.stdin:
        begun = time.perf_counter()
        model.train_on_batch(images, labels)
        print(time.perf_counter() - begun, peak(), start, keras.__version__, flush=True)


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB


def worker(efficient, batch_size):
    command = [sys.executable, __file__, "--worker", str(int(efficient)), "--batch-size"]
    return subprocess.Popen(
        [*command, str(batch_size)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def step(process):
    print("next", file=process.stdin, flush=True)
    *numbers, version = process.stdout.readline().split()
    return [float(number) for number in numbers], version


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker is not None:
        return train(bool(arguments.worker), arguments.batch_size)
    workers = [worker(efficient, arguments.batch_size) for efficient in (False, True)]
    ratios = []
    for number in range(arguments.steps + 1):
        print(f"step {number} of {arguments.steps}", file=sys.stderr)
        results = [step(process) for process in workers]
        (ordinary, version), (efficient, _) = results
        ratios.append(efficient[0] / ordinary[0])
    for process in workers:
        process.stdin.close()
    times = ratios[1:]  # the first step compiles
    added = [peak - start for _, peak, start in (ordinary, efficient)]
    memory, duration = efficient[1] / ordinary[1], statistics.median(times)
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
          f"Keras {version} on {backend}, batch {arguments.batch_size}, "
          f"{len(times)} steps each")  # fmt: skip
    print(f"{'':<28} {'ordinary':>9} {'efficient':>10} {'ratio':>6}")
    print(f"{'peak of the process, MiB':<28} {ordinary[1]:9.0f} {efficient[1]:10.0f} {memory:6.3f}")
    print(f"{'added by training, MiB':<28} {added[0]:9.0f} {added[1]:10.0f} "
          f"{added[1] / added[0]:6.3f}")  # fmt: skip
    print(f"{'time of a step, median ratio':<28} {'':>20} {duration:6.3f} "
          f"({min(times):.2f} – {max(times):.2f})")  # fmt: skip
    return memory > MEMORY_TARGET or duration > TIME_TARGET


if __name__ == "__main__":
    sys.exit(main())
