from pathlib import Path

import keras
from keras import layers
from sklearn.datasets import load_digits

import keraskip

x, y = load_digits(return_X_y=True)
x = x / 16


# --8<-- [start:networks]
def network(activation):
    hidden = [layers.Dense(64, activation) for _ in range(6)]
    output = layers.Dense(10, "softmax")
    return keras.Sequential([keras.Input((64,)), *hidden, output])


# --8<-- [end:networks]

# --8<-- [start:seeds]
for activation in ("tanh", "sigmoid"):
    for seed in (0, 1):
        keras.utils.set_random_seed(seed)
        model = network(activation)
        loss = "sparse_categorical_crossentropy"
        model.compile("sgd", loss, metrics=["accuracy"])
        folder = f"runs/{activation}_seed{seed}"
        recorder = keraskip.GradientRecorder(folder, verbose=0)
        model.fit(x, y, epochs=4, verbose=0, callbacks=[recorder])
# --8<-- [end:seeds]

# --8<-- [start:compare]
comparison = keraskip.compare(*sorted(Path("runs").iterdir()))
print(comparison)
comparison.save("seeds.svg")
comparison.save("report.html")
# --8<-- [end:compare]
