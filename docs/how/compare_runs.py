from pathlib import Path

import keras
from keras import layers
from sklearn.datasets import load_digits

import keraskip

x, y = load_digits(return_X_y=True)
x = x / 16


# --8<-- [start:networks]
def network(activation):
    hidden = [layers.Dense(64, activation) for _ in range(8)]
    return keras.Sequential([keras.Input((64,)), *hidden, layers.Dense(10, "softmax")])


# --8<-- [end:networks]

# --8<-- [start:seeds]
for activation in ("tanh", "sigmoid"):
    for seed in (0, 1, 2):
        keras.utils.set_random_seed(seed)
        model = network(activation)
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
        recorder = keraskip.GradientRecorder(f"runs/{activation}_seed{seed}", verbose=0)
        model.fit(x, y, batch_size=64, epochs=6, verbose=0, callbacks=[recorder])
# --8<-- [end:seeds]

# --8<-- [start:compare]
comparison = keraskip.compare(*sorted(Path("runs").iterdir()))
print(comparison)
comparison.save("seeds.svg")
comparison.save("report.html")
# --8<-- [end:compare]
