"""Training scripts that know nothing of keraskip, to be recorded."""

from uncompiled import UNCOMPILED

# What all of them begin with.
HEAD = f"""
import sys
import keras
import numpy as np

keras.utils.set_random_seed(0)
UNCOMPILED = {UNCOMPILED}
x = np.random.default_rng(0).normal(size=(256, 4)).astype("float32")
y = (x[:, :1] > 0).astype("float32")

def network(name, rate=0.1, way=UNCOMPILED):
    layers = [keras.layers.Dense(8, "relu"), keras.layers.Dense(1, "sigmoid")]
    model = keras.Sequential([keras.Input((4,)), *layers], name=name)
    model.compile(keras.optimizers.SGD(rate), "binary_crossentropy", **way)
    return model
"""

ARGPARSE = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int)
parser.add_argument("--every", help="of the script")
arguments = parser.parse_args()
model = network("mine")
history = model.fit(x, y, 64, arguments.epochs, verbose=0)
print(sys.argv, arguments.every, sorted(history.history), history.history["loss"])
"""

# Compiled, as the networks have many steps; TensorFlow then takes no name with a space.
TWO_FITS = """
def train(model, **how):
    return model.fit(x, y, batch_size=16, verbose=0, **how)

train(network("first>one", way={}), epochs=3)
train(network("second", rate=0.0, way={}), epochs=2)
"""

SUBCLASSED = """
class Mine(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden = keras.layers.Dense(8, "relu")
        self.out = keras.layers.Dense(1, "sigmoid")

    def call(self, inputs):
        return self.out(self.hidden(inputs))

    def fit(self, *data, **how):
        return super().fit(*data, epochs=2, verbose=0, **how)

class Stop(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        print("epoch", epoch, sorted(logs))

model = Mine()
model.compile("sgd", "binary_crossentropy", **UNCOMPILED)
print(len(model.fit(x, y, callbacks=Stop()).epoch))
"""

TF_DATA = """
import tensorflow as tf
data = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(256).batch(32).repeat()
network("mine").fit(data, epochs=2, steps_per_epoch=4, shuffle=False, verbose=0)
"""

RAISING = """
class Break(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            broken()

def broken():
    try:
        {}["missing"]
    except KeyError as error:
        raise RuntimeError("broken on purpose") from error

network("mine").fit(x, y, batch_size=128, epochs=5, verbose=0, callbacks=[Break()])
"""

INTERRUPTED = """
import atexit, signal

class Press(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            signal.raise_signal(signal.SIGINT)

atexit.register(lambda: print("left"))
try:
    network("mine").fit(x, y, epochs=5, verbose=0, callbacks=[Press()])
finally:
    print("tidied up")
"""

EXITING = """
network("mine").fit(x, y, batch_size=128, verbose=0)
sys.exit(3)
"""

# The model has no weights before its first step.
DEFERRED = """
layers = [keras.layers.Dense(8, "relu"), keras.layers.Dense(1, "sigmoid")]
model = keras.Sequential(layers, name="mine")
model.compile("sgd", "binary_crossentropy", **UNCOMPILED)
history = model.fit(x, y, batch_size=128, epochs=3, verbose=0)
print(int(model.optimizer.iterations), list(history.history))
"""

# Its training step calls no optimizer.
CARELESS = """
class Careless(keras.Sequential):
    def train_step(self, *args):
        loss = {"loss": keras.ops.zeros(())}
        return (loss, args[0]) if keras.backend.backend() == "jax" else loss

model = Careless([keras.Input((4,)), keras.layers.Dense(1)], name="mine")
model.compile("sgd", "mse", **UNCOMPILED)
{change}
model.fit(x, y, verbose=0)
"""

# A process that is spawned imports the script again, which must not train there.
SPAWNING = """
import multiprocessing, pickle

class Point:
    def __init__(self, place):
        self.place = place

def moved(point):
    return Point(point.place + 1)

def main():
{body}
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print([point.place for point in pool.map(moved, [Point(1), Point(2)])])

if __name__ == "__main__":
    main()
"""

OWN_RECORDER = """
from keraskip import GradientRecorder
model = network("mine")
recorder = GradientRecorder("own/run", verbose=0)
model.fit(x, y, batch_size=128, verbose=0, callbacks=[recorder])
network("other").fit(x, y, batch_size=128, verbose=0)
"""

LOOP = """
model = network("mine")
for _ in range(5):
    model.fit(x, y, batch_size=128, verbose=0)
model.save("mine.keras")
"""

CALLBACK_LIST = """
model = network("mine")
callbacks = keras.callbacks.CallbackList(add_history=True, model=model, epochs=1)
model.fit(x, y, verbose=0, callbacks=callbacks)
print([type(callback).__name__ for callback in callbacks.callbacks])
model.fit(x, y, 64, 1, 0, keras.callbacks.History())
"""

BATCHES = """
model = network("mine")
for _ in range(3):
    model.train_on_batch(x, y)
"""
