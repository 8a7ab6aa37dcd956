import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits

import keraskip

digits = load_digits().images[:, :, :, None] / 16
noisy = digits + np.random.default_rng(0).normal(size=digits.shape) * 0.3
ink = (digits > 0.5).astype("float32")  # a mask for each image: 1 where there is ink


# --8<-- [start:unet]
def unet(activation):
    """One step down, one step up, and a skip across."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 1))
    outside = layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    h = layers.MaxPooling2D()(outside)
    h = layers.Conv2D(16, 3, padding="same", activation="relu")(h)
    h = layers.Concatenate()([layers.UpSampling2D()(h), outside])
    h = layers.Conv2D(8, 3, padding="same", activation="relu")(h)
    mask = layers.Conv2D(1, 1, activation=activation)(h)
    return keras.Model(inputs, mask)


def train(activation):
    """Two epochs with this activation of the last layer."""
    model = unet(activation)
    adam = keras.optimizers.Adam(0.01)
    model.compile(adam, "binary_crossentropy", metrics=["accuracy"])
    recorder = keraskip.GradientRecorder(f"runs/{activation}")
    model.fit(noisy, ink, epochs=2, verbose=0, callbacks=[recorder])


# --8<-- [end:unet]

# --8<-- [start:softmax]
train("softmax")
# --8<-- [end:softmax]

# --8<-- [start:remedy]
train("sigmoid")
# --8<-- [end:remedy]

print(keraskip.compare("runs/softmax", "runs/sigmoid").table())
