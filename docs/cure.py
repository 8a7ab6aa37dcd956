import keras
from sklearn.datasets import load_digits

import keraskip

keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
hidden = [keras.layers.Dense(64, "sigmoid") for _ in range(20)]
model = keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(10, "softmax")])
model.compile(keras.optimizers.SGD(0.05), "sparse_categorical_crossentropy", metrics=["accuracy"])

# --8<-- [start:cure]
twin = keraskip.add_skips(model, scale="learned")  # a new model; yours is not changed
for name, network in {"mine": model, "with_skips": twin}.items():
    recorder = keraskip.GradientRecorder(f"runs/{name}", verbose=0)
    network.fit(x / 16, y, epochs=5, verbose=0, callbacks=[recorder])
comparison = keraskip.compare("runs/mine", "runs/with_skips")
print(comparison)
# --8<-- [end:cure]
comparison.save("cure.svg")
