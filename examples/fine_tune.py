"""Fine-tuning in two phases, recorded: a new head on a frozen base, then both together.

The base comes with keraskip and knows clothes; here it learns handwritten digits. One minute.
"""

import sys
from pathlib import Path

import keras

import keraskip
from keraskip.data import load_data

out = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/fine_tune")
keras.utils.set_random_seed(0)
base = keraskip.build("resnet20", weights="fashion_mnist", include_top=False, pooling="avg")
digits, loss = load_data("digits"), "sparse_categorical_crossentropy"
prepare = keraskip.Preprocessing.of_model(base)
train, held_out = (
    (prepare(part.images * (255 / digits.white), (28, 28)), part.labels)
    for part in (digits.train, digits.validation)
)
images = keras.Input(base.input_shape[1:])
# With `training=False` the statistics of batch normalisation stay as they are in both phases.
model = keras.Model(images, keras.layers.Dense(10, "softmax")(base(images, training=False)))
recorder = keraskip.GradientRecorder(out / "run", overwrite=True)
for trainable, rate, first in ((False, 1e-2, 0), (True, 1e-3, 4)):
    base.trainable = trainable
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    epochs = {"initial_epoch": first, "epochs": first + 4, "verbose": 0}
    model.fit(*train, validation_data=held_out, callbacks=[recorder], **epochs)
print(keraskip.compare(out / "run", out / "run-2"))
