import keras
from sklearn.datasets import load_digits

import keraskip

keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
hidden = keras.layers.Dense(32, "relu")
model = keras.Sequential([keras.Input((64,)), hidden, keras.layers.Dense(10, "softmax")])
# --8<-- [start:says]
model.compile(keras.optimizers.SGD(10.0), "sparse_categorical_crossentropy", metrics=["accuracy"])
recorder = keraskip.GradientRecorder("runs/mine")
model.fit(x / 16, y, epochs=8, verbose=2, callbacks=[recorder])
# --8<-- [end:says]
