import json
from pathlib import Path

import keras
import numpy as np
import pyarrow as pa
import tensorflow as tf
from sklearn.datasets import load_digits

import keraskip

keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
hidden = [keras.layers.Dense(64, "sigmoid") for _ in range(10)]
model = keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(10, "softmax")])
model.compile("sgd", "sparse_categorical_crossentropy")

print("--8<-- [start:hand]")
with tf.GradientTape() as tape:
    losses = keras.losses.sparse_categorical_crossentropy(y[:32], model(x[:32] / 16))
    loss = keras.ops.mean(losses)
top, bottom = tape.gradient(loss, [hidden[-1].bias, hidden[0].bias])
print(f"last hidden layer:  {np.linalg.norm(top):.6e}")
print(f"first hidden layer: {np.linalg.norm(bottom):.6e}")
print("--8<-- [end:hand]")

print("--8<-- [start:record]")
recorder = keraskip.GradientRecorder("runs/way", verbose=0)
model.fit(x / 16, y, epochs=4, shuffle=False, verbose=0, callbacks=[recorder])

with pa.OSFile("runs/way/steps.arrow") as file:
    rows = pa.ipc.open_stream(file).read_all()
norms = np.stack(rows["grad_norm"].to_numpy())  # [steps, weights]
weights = json.loads(Path("runs/way/run.json").read_bytes())["weights"]
for column in 19, 1:  # the biases of the last and the first hidden layer
    print(weights[column])
    print(f"step {rows['step'][0]}: grad_norm {norms[0, column]:.6e}")
print("--8<-- [end:record]")

print("--8<-- [start:fall]")
biases = [i for i, weight in enumerate(weights) if weight["role"] == "bias"][:-1]  # hidden layers
depth = np.array([weights[i]["depth"] for i in biases])
size = np.array([weights[i]["size"] for i in biases])
early = len(norms) // 10  # the first tenth of the steps
heights = np.log10(norms[:early, biases] / np.sqrt(size)).mean(axis=0)
for layer, height in zip(depth, heights, strict=True):
    print(f"layer {layer:2}: 10^{height:.2f}")
slope = np.polyfit(depth, heights, 1)[0]
print(f"fall of the line: {slope * (depth[-1] - depth[0]):.2f} orders of magnitude")
print("--8<-- [end:fall]")

print("--8<-- [start:verdict]")
comparison = keraskip.compare("runs/way")
run = json.loads(comparison.save("report.json").read_bytes())["runs"][0]
print(run["attenuation"])
print(run["verdict"], "-", run["reason"])
print(run["learning"]["state"], "-", run["learning"]["reason"])
print("--8<-- [end:verdict]")

print("--8<-- [start:sentence]")
print(comparison)
print("--8<-- [end:sentence]")
