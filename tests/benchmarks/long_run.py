"""Memory and disk of a long recorded run of a tiny network.

    python tests/benchmarks/long_run.py [--steps 100000]

Fails if the process grows by more than 5 % after the first tenth of the run, or if the log takes
32 bytes or more for each weight and step.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

EPOCHS, BATCH = 10, 4
GROWTH, BYTES = 1.05, 32


def resident():
    """Memory of this process now, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=100_000)
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    import numpy as np

    from keraskip import GradientRecorder, load_run

    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(8, "tanh"), keras.layers.Dense(1)]
    )
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(arguments.steps // EPOCHS * BATCH, 4))
    memory, begun = [], time.time()

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            memory.append(resident())
            print(f"epoch {epoch + 1} of {EPOCHS}: {memory[-1]:.0f} MiB, "
                  f"{time.time() - begun:.0f} s", flush=True)  # fmt: skip

    with tempfile.TemporaryDirectory() as folder:
        callbacks = [GradientRecorder(folder), Watch()]
        model.fit(x, x[:, :1], batch_size=BATCH, epochs=EPOCHS, verbose=0, callbacks=callbacks)
        run = load_run(folder)
        size = (Path(folder) / "steps.arrow").stat().st_size
    each = size / len(run.steps) / len(run.weights)
    growth = max(memory[1:]) / memory[0]
    print(f"{len(run.steps)} steps of {len(run.weights)} weights: memory grew {growth:.3f}-fold "
          f"after the first tenth; {each:.1f} bytes per weight and step")  # fmt: skip
    return len(run.steps) != arguments.steps or growth > GROWTH or each >= BYTES


if __name__ == "__main__":
    sys.exit(main())
