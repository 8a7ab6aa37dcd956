import keras
import numpy as np
from sklearn.datasets import load_digits

import keraskip

# --8<-- [start:model]
x, y = load_digits(return_X_y=True)
x = x / 16
x[700, 3] = np.nan  # one missing value among 115,008


def train(name, x, y):
    """Three epochs on these samples."""
    keras.utils.set_random_seed(0)
    hidden = [keras.layers.Dense(64, "relu") for _ in range(3)]
    output = keras.layers.Dense(10, "softmax")
    model = keras.Sequential([keras.Input((64,)), *hidden, output])
    loss = "sparse_categorical_crossentropy"
    model.compile("adam", loss, metrics=["accuracy"])
    recorder = keraskip.GradientRecorder(f"runs/{name}")
    model.fit(x, y, epochs=3, verbose=0, callbacks=[recorder])


train("missing", x, y)
# --8<-- [end:model]

# --8<-- [start:remedy]
good = np.isfinite(x).reshape(len(x), -1).all(axis=1)
x, y = x[good], y[good]
# --8<-- [end:remedy]
train("complete", x, y)
print(keraskip.compare("runs/missing", "runs/complete").table())
