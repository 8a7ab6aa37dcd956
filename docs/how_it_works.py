import keras
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

import keraskip

keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
hidden = [keras.layers.Dense(64, "sigmoid") for _ in range(10)]
model = keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(10, "softmax")])
model.compile("sgd", "sparse_categorical_crossentropy")

# --8<-- [start:way]
with tf.GradientTape() as tape:
    losses = keras.losses.sparse_categorical_crossentropy(y[:32], model(x[:32] / 16))
    loss = keras.ops.mean(losses)
gradient = tape.gradient(loss, model.trainable_weights)[-1]
print(f"by hand, last bias:      {np.linalg.norm(gradient):.6f}")

recorder = keraskip.GradientRecorder("runs/way", verbose=0)
model.fit(x / 16, y, epochs=4, shuffle=False, verbose=0, callbacks=[recorder])
run = keraskip.load_run("runs/way")
print(f"in the run, first step:  {run.grad_norm[0, -1]:.6f}")
print(keraskip.compare(run))
# --8<-- [end:way]
