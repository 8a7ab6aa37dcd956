import keras
from sklearn.datasets import load_digits

import keraskip

keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
hidden = [keras.layers.Dense(64, "sigmoid", name=f"hidden_{i}") for i in range(8)]
output = keras.layers.Dense(10, "softmax", name="output")
model = keras.Sequential([keras.Input((64,)), *hidden, output])
model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])

# --8<-- [start:record]
recorder = keraskip.GradientRecorder("runs/mine")
model.fit(x / 16, y, epochs=4, verbose=2, callbacks=[recorder])
# --8<-- [end:record]

# --8<-- [start:show]
comparison = keraskip.compare("runs/mine")
comparison.save("gradients.svg")
comparison.save("report.html")
# --8<-- [end:show]

# --8<-- [start:numbers]
run = keraskip.load_run("runs/mine")
norms = run.grad_norm.mean(axis=0)  # over the steps: one for each weight
for weight, norm in zip(run.weights.itertuples(), norms, strict=True):
    if weight.role == "kernel":
        print(f"{weight.layer:20} {norm:.1e}")
# --8<-- [end:numbers]
