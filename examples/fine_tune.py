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
size = {"depth": 8, "input_shape": digits.input_shape}
(old, old_labels), (new, new_labels), held_out = (
    (part.images[part.labels // 5 == half], part.labels[part.labels // 5 == half] % 5)
    for part, half in ((digits.train, 0), (digits.train, 1), (digits.validation, 1))
)
keras.utils.set_random_seed(0)
whole = keraskip.build_resnet(**size, classes=5)
whole.compile("adam", loss)
whole.fit(old, old_labels, epochs=6, verbose=0)
out.mkdir(parents=True, exist_ok=True)
whole.save(out / "whole.keras")

base = keraskip.build_resnet(**size, include_top=False, pooling="avg", weights=out / "whole.keras")
images = keras.Input(digits.input_shape)
# With `training=False` the statistics of batch normalisation stay as they are in both phases.
model = keras.Model(images, keras.layers.Dense(5, "softmax")(base(images, training=False)))
recorder = keraskip.GradientRecorder(out / "run", overwrite=True)
for trainable, rate, first in ((False, 1e-2, 0), (True, 1e-3, 6)):
    base.trainable = trainable
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    epochs = {"initial_epoch": first, "epochs": first + 6, "verbose": 0}
    model.fit(new, new_labels, validation_data=held_out, callbacks=[recorder], **epochs)
print(keraskip.compare(out / "run", out / "run-2"))
