import keras
from keras import layers
from sklearn.datasets import load_digits

import keraskip

images, y = load_digits(return_X_y=True)
x = images.reshape(-1, 8, 8) / 16  # each row of an image is a token


# --8<-- [start:plain]
def plain(h):
    """Attention alone."""
    return layers.MultiHeadAttention(2, 16)(h, h)


def train(attention):
    """Four epochs of six blocks with this attention."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8))
    h = layers.Dense(32)(inputs)
    for _ in range(6):
        h = attention(h)
        h = layers.Dense(32, "relu")(h)
    outputs = layers.Dense(10, "softmax")(layers.Flatten()(h))
    model = keras.Model(inputs, outputs)
    sgd = keras.optimizers.SGD(0.05)
    model.compile(sgd, "sparse_categorical_crossentropy", metrics=["accuracy"])
    recorder = keraskip.GradientRecorder(f"runs/{attention.__name__}")
    model.fit(x, y, epochs=4, verbose=0, callbacks=[recorder])


train(plain)
# --8<-- [end:plain]


# --8<-- [start:remedy]
def with_skip(x):
    """Attention with a normalisation before it and a skip around it."""
    h = layers.LayerNormalization()(x)
    return x + layers.MultiHeadAttention(2, 16)(h, h)


train(with_skip)
# --8<-- [end:remedy]

print(keraskip.compare("runs/plain", "runs/with_skip").table())
