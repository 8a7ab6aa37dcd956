import keras
from sklearn.datasets import load_digits

import keraskip

keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
hidden = [keras.layers.Dense(64, "sigmoid") for _ in range(10)]
model = keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(10, "softmax")])
model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])

# --8<-- [start:record]
recorder = keraskip.GradientRecorder("runs/mine")
model.fit(x / 16, y, epochs=4, verbose=2, callbacks=[recorder])
# --8<-- [end:record]

# --8<-- [start:show]
comparison = keraskip.compare("runs/mine")
print(comparison)
comparison.save("gradients.svg")
# --8<-- [end:show]
