import keras
import numpy as np
from keras import layers

import keraskip

# --8<-- [start:task]
draw = np.random.default_rng(0)
x = draw.normal(size=(2048, 80, 4)).astype("float32")
y = (x[:, 0, 0] > 0).astype("float32")  # in the first step
# --8<-- [end:task]


# --8<-- [start:train]
def one_way():
    """An LSTM that reads from the first step to the last."""
    return layers.LSTM(16)


def train(layer):
    """Two epochs with this layer."""
    keras.utils.set_random_seed(0)
    output = layers.Dense(1, "sigmoid")
    model = keras.Sequential([keras.Input((80, 4)), layer(), output])
    adam = keras.optimizers.Adam(0.005)
    model.compile(adam, "binary_crossentropy", metrics=["accuracy"])
    batch = x[:32], y[:32]
    recorder = keraskip.GradientRecorder(f"runs/{layer.__name__}", probe=batch)
    model.fit(x, y, epochs=2, verbose=0, callbacks=[recorder])


train(one_way)
# --8<-- [end:train]


# --8<-- [start:remedy]
def both_ways():
    """A second LSTM reads from the last step to the first."""
    return layers.Bidirectional(layers.LSTM(16))


train(both_ways)
# --8<-- [end:remedy]

print(keraskip.compare("runs/one_way", "runs/both_ways").table())
