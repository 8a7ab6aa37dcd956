import keras
from sklearn.datasets import load_digits

import keraskip

keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
x = x / 16

# --8<-- [start:model]
hidden = [keras.layers.Dense(64, "relu") for _ in range(20)]
output = keras.layers.Dense(10, "softmax")
model = keras.Sequential([keras.Input((64,)), *hidden, output])
sgd = keras.optimizers.SGD(0.05)
model.compile(sgd, "sparse_categorical_crossentropy", metrics=["accuracy"])
with_skips = keraskip.add_skips(model, scale="learned", verbose=False)
recorder = keraskip.GradientRecorder("runs/mlp")
model.fit(x, y, epochs=6, verbose=0, callbacks=[recorder])
# --8<-- [end:model]

# --8<-- [start:remedy]
recorder = keraskip.GradientRecorder("runs/with_skips")
with_skips.fit(x, y, epochs=6, verbose=0, callbacks=[recorder])
print(keraskip.compare("runs/mlp", "runs/with_skips").table())
# --8<-- [end:remedy]
