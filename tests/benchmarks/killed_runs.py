"""Kills training runs with SIGKILL at random moments, and opens what they recorded.

    python tests/benchmarks/killed_runs.py [--kills 20] [--seed 0]

Fails if a run folder does not open, a step is missing in between, or more than one buffer of steps
is missing at the end.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

# The steps that `keraskip.callbacks.hook.capture` keeps on the device.
BUFFER = 64


def train(folder, progress):
    """Trains until it is killed, and says after each step how many there were."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    import numpy as np

    from keraskip import GradientRecorder

    class Tell(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.steps = 0

        def on_train_batch_end(self, batch, logs=None):
            self.steps += 1
            os.pwrite(progress, self.steps.to_bytes(8, "little"), 0)

    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(8, "tanh"), keras.layers.Dense(1)]
    )
    model.compile("sgd", "mse")
    x = np.zeros((8000, 4), "float32")
    callbacks = [Tell(), GradientRecorder(folder)]
    model.fit(x, x[:, :1], batch_size=8, epochs=10**6, verbose=0, callbacks=callbacks)


def killed_run(folder, generator):
    """Trains in a process of its own for a random time; returns how many steps it had taken."""
    progress = os.open(folder.parent / f"{folder.name}.steps", os.O_RDWR | os.O_CREAT)
    child = os.fork()
    if not child:
        train(folder, progress)
    while not (folder / "run.json").is_file():
        if os.waitpid(child, os.WNOHANG)[0]:
            raise RuntimeError("the training ended by itself")
        time.sleep(0.01)
    time.sleep(generator.uniform(0, 2))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    taken = int.from_bytes(os.pread(progress, 8, 0), "little")
    os.close(progress)
    return taken


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    from keraskip import load_run

    generator, worst = random.Random(arguments.seed), 0
    with tempfile.TemporaryDirectory() as place:
        for number in range(arguments.kills):
            folder = Path(place) / f"run{number}"
            taken = killed_run(folder, generator)
            run = load_run(folder)
            found = len(run.steps)
            whole = run.steps.tolist() == list(range(found))
            worst = max(worst, taken - found)
            print(f"kill {number + 1:2}: {taken:5} steps taken, {found:5} recorded, "
                  f"{'in order' if whole else 'NOT in order'}, status {run.info['status']}"
                  f"{', last write cut' if run.truncated else ''}", flush=True)  # fmt: skip
            if not whole or taken - found > BUFFER:
                return 1
    print(f"{arguments.kills} kills: at most {worst} steps missing; the buffer holds {BUFFER}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
