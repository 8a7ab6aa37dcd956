import keras
from keras import layers
from sklearn.datasets import load_digits

import keraskip

keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
x = x / 16

# --8<-- [start:model]
inputs = keras.Input((64,))
h = inputs
for width in (64, 32):
    for number in range(8):
        h = layers.Dense(width, "gelu", name=f"wide{width}_{number}")(h)
model = keras.Model(inputs, layers.Dense(10, "softmax")(h))
sgd = keras.optimizers.SGD(0.05)
model.compile(sgd, "sparse_categorical_crossentropy", metrics=["accuracy"])
# --8<-- [end:model]

# --8<-- [start:skips]
twin = keraskip.add_skips(model)
# --8<-- [end:skips]

# --8<-- [start:compare]
for name, network in {"mine": model, "with_skips": twin}.items():
    recorder = keraskip.GradientRecorder(f"runs/{name}", verbose=0)
    network.fit(x, y, epochs=5, verbose=0, callbacks=[recorder])
comparison = keraskip.compare("runs/mine", "runs/with_skips")
print(comparison)
comparison.save("skips.svg")
# --8<-- [end:compare]
