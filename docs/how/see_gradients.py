import keras
from sklearn.datasets import load_digits

import keraskip

keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
hidden = [keras.layers.Dense(64, "sigmoid") for _ in range(10)]
model = keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(10, "softmax")])
model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])

# --8<-- [start:record]
recorder = keraskip.GradientRecorder("runs/mine", trackers=["tensorboard"])
model.fit(x / 16, y, epochs=4, verbose=2, callbacks=[recorder])
# --8<-- [end:record]

# --8<-- [start:show]
comparison = keraskip.compare("runs/mine")
comparison.save("gradients.svg")
comparison.save("report.html")
# --8<-- [end:show]

# --8<-- [start:numbers]
run = keraskip.load_run("runs/mine")
norms = run.grad_norm[-1]  # the last step: one number for each weight
for weight, norm in zip(run.weights.itertuples(), norms, strict=True):
    if weight.role == "kernel":
        print(f"{weight.layer:10} {norm:.1e}")
# --8<-- [end:numbers]
