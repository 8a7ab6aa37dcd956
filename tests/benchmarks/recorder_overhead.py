"""How much longer a training step takes while it is recorded, beside the usual ways.

    python tests/benchmarks/recorder_overhead.py [--models mlp resnet20] [--steps 30] [--rounds 4]
    KERAS_BACKEND=jax python tests/benchmarks/recorder_overhead.py

Each way trains the same network in a thread of its own, one step here, one step there, so that each
ratio sees the same machine. A round starts with new networks, made in turns in this and the other
order: two equal networks of one process differ by 1 %, the first one being the faster. On
TensorFlow two other ways to the norms run beside it: a second gradient of the batch after each
step, and norms that the training step returns and the host fetches one by one. Fails if recording
takes more than 1.02 of the time of a ResNet's step, in the median; what the buffer's drain takes,
each 64 steps, is not in it.
"""

import argparse
import os
import platform
import queue
import statistics
import sys
import tempfile
import threading
import time

TARGET = 1.02
WAYS = ("plain", "recorded", "norms fetched", "second pass")
MODELS = ("mlp", "resnet20", "resnet56", "resnet110")
BATCH = 64


def compiled(name, way):
    import keras
    from keras import layers

    from keraskip import build

    keras.utils.set_random_seed(0)
    if name == "mlp":
        hidden = [layers.Dense(64, "relu") for _ in range(9)]
        flat = [layers.Input((32, 32, 3)), layers.Flatten()]
        model = keras.Sequential([*flat, *hidden, layers.Dense(10, "softmax")])
    else:
        model = build(name)
    if way == "norms fetched":
        model = returning_norms()(model.inputs, model.outputs)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), "sparse_categorical_crossentropy")
    return model


def returning_norms():
    import keras
    import tensorflow as tf

    class ReturningNorms(keras.Model):
        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                loss = self.compute_loss(x, y, self(x, training=True))
            grads = tape.gradient(loss, self.trainable_variables)
            self.optimizer.apply(grads, self.trainable_variables)
            norms = {str(place): tf.norm(grad) for place, grad in enumerate(grads)}
            return {"loss": loss, **norms}

    return ReturningNorms


def second_pass(model, x, y):
    import tensorflow as tf

    @tf.function
    def norms():
        with tf.GradientTape() as tape:
            loss = model.compute_loss(x, y, model(x, training=True))
        return [tf.norm(grad) for grad in tape.gradient(loss, model.trainable_variables)]

    return norms


class Turns:
    """Lets the training of one way take a step whenever it is its turn."""

    def __init__(self, name, way, steps):
        self.go, self.done = queue.Queue(), queue.Queue()
        self.thread = threading.Thread(target=self.train, args=(name, way, steps), daemon=True)
        self.thread.start()

    def step(self):
        """Seconds that one step takes."""
        self.go.put(None)
        seconds = self.done.get()
        if isinstance(seconds, Exception):
            raise seconds
        return seconds

    def train(self, name, way, steps):
        try:
            self.go.get()
            self.go.put(None)
            self.fit(name, way, steps)
        except Exception as error:
            self.done.put(error)

    def fit(self, name, way, steps):
        import keras
        import numpy as np

        from keraskip import GradientRecorder

        model, turns = compiled(name, way), self
        random = np.random.default_rng(0)
        x = random.normal(size=(BATCH, 32, 32, 3)).astype("float32")
        y = random.integers(0, 10, BATCH)
        norms = second_pass(model, x, y) if way == "second pass" else list

        class TakeTurns(keras.callbacks.Callback):
            def on_train_batch_begin(self, batch, logs=None):
                turns.go.get()
                self.begun = time.perf_counter()

            def on_train_batch_end(self, batch, logs=None):
                # Waits for the step, too.
                for value in [*logs.values(), *norms()]:
                    float(value)
                turns.done.put(time.perf_counter() - self.begun)

        def batches():
            for _ in range(steps):
                yield x, y

        with tempfile.TemporaryDirectory() as folder:
            recorder = [GradientRecorder(folder)] if way == "recorded" else []
            callbacks = [*recorder, TakeTurns()]
            model.fit(batches(), steps_per_epoch=steps, verbose=0, callbacks=callbacks)


def ratios(name, ways, steps, made):
    """For each way its time divided by that of the first, in each step.

    The networks are made in the order of `made`.
    """
    # The first steps compile, and the recorder's first drain of its buffer is among them.
    warm_up = 3
    workers = {way: Turns(name, way, steps + warm_up) for way in made}
    for worker in workers.values():
        worker.step()
    found = {way: [] for way in ways}
    for number in range(steps + warm_up - 1):
        order = ways if number % 2 else ways[::-1]
        taken = {way: workers[way].step() for way in order}
        for way in ways:
            found[way].append(taken[way] / taken[ways[0]])
    for worker in workers.values():
        worker.thread.join()
    return {way: found[way][warm_up - 1 :] for way in ways}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--ways", nargs="+", choices=WAYS[1:], help="beside the plain step")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=4)
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    others = WAYS[1:] if backend == "tensorflow" else WAYS[1:2]
    ways = [WAYS[0], *(arguments.ways or others)]
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
          f"{backend}, batch {BATCH}, {arguments.rounds} rounds of "
          f"{arguments.steps} steps")  # fmt: skip
    print(f"{'network':<12} {'way':<14} {'median ratio':>12} {'middle half':>16}")
    missed = False
    for name in arguments.models:
        found = {way: [] for way in ways}
        for number in range(arguments.rounds):
            print(f"{name}: round {number + 1} of {arguments.rounds}", file=sys.stderr)
            made = ways[::-1] if number % 2 else ways
            for way, new in ratios(name, ways, arguments.steps, made).items():
                found[way] += new
        for way in ways[1:]:
            low, median, high = statistics.quantiles(found[way], n=4)
            print(f"{name:<12} {way:<14} {median:12.3f} {low:8.3f} – {high:5.3f}", flush=True)
            missed |= way == "recorded" and name != "mlp" and median > TARGET
    return missed


if __name__ == "__main__":
    sys.exit(main())
