import shutil
import subprocess

import keras
from sklearn.datasets import load_digits

import keraskip

# --8<-- [start:train]
keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
hidden = [keras.layers.Dense(64, "sigmoid") for _ in range(12)]
output = keras.layers.Dense(10, "softmax")
model = keras.Sequential([keras.Input((64,)), *hidden, output])
sgd = keras.optimizers.SGD(0.05)
model.compile(sgd, "sparse_categorical_crossentropy", metrics=["accuracy"])
recorder = keraskip.GradientRecorder("runs/digits", verbose=0)
model.fit(
    x / 16,
    y,
    epochs=6,
    validation_split=0.2,
    verbose=0,
    callbacks=[recorder],
)
# --8<-- [end:train]

# --8<-- [start:save]
comparison = keraskip.compare("runs/digits")
comparison.save("report.html")
# --8<-- [end:save]
print(comparison)

# The picture of this documentation: the page in a browser, or else the same lines on paper.
if browser := shutil.which("chromium"):
    options = ["--headless", "--no-sandbox", "--virtual-time-budget=20000"]
    picture = ["--window-size=1280,860", "--hide-scrollbars", "--screenshot=first_screen.png"]
    subprocess.run([browser, *options, *picture, "report.html"], check=True, capture_output=True)
else:
    comparison.save("first_screen.png")
