"""Fine-tuning in two phases, recorded: a new head on a frozen base, then both together.

The base learns the handwritten digits 0 to 4, and serves the digits 5 to 9. Half a minute.
"""

import sys
from pathlib import Path

import keras

import keraskip
from keraskip.data import load_data

out = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/fine_tune")
digits, loss = load_data("digits"), "sparse_categorical_crossentropy"
x, y = digits.train.images, digits.train.labels

keras.utils.set_random_seed(0)
size = {"depth": 8, "input_shape": digits.input_shape}
whole = keraskip.build_resnet(**size, classes=5)
whole.compile("adam", loss, metrics=["accuracy"])
whole.fit(x[y < 5], y[y < 5], epochs=6, verbose=0)
out.mkdir(parents=True, exist_ok=True)
whole.save(out / "whole.keras")

base = keraskip.build_resnet(**size, include_top=False, pooling="avg", weights=out / "whole.keras")
images = keras.Input(digits.input_shape)
# Without `training=False` the unfrozen base would also move its batch statistics.
model = keras.Model(images, keras.layers.Dense(5, "softmax")(base(images, training=False)))
recorder = keraskip.GradientRecorder(out / "run", overwrite=True)
for trainable, rate, first in ((False, 1e-2, 0), (True, 1e-3, 6)):
    base.trainable = trainable
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    phase = {"initial_epoch": first, "epochs": first + 6, "verbose": 2, "callbacks": [recorder]}
    model.fit(x[y >= 5], y[y >= 5] - 5, **phase)
print(keraskip.compare(out / "run", out / "run-2"))
