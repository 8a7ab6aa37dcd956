import keras
from sklearn.datasets import load_digits

import keraskip

keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
x = x / 16
hidden = [keras.layers.Dense(64, "sigmoid") for _ in range(10)]
model = keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(10, "softmax")])
model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])

# --8<-- [start:own]
recorder = keraskip.GradientRecorder("runs/mine", verbose=0)
model.fit(x, y, epochs=4, verbose=0, callbacks=[recorder])

comparison = keraskip.compare("runs/mine")
print(comparison)
comparison.save("report.html")
# --8<-- [end:own]
