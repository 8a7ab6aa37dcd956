import keras
from sklearn.datasets import load_digits

import keraskip

x, y = load_digits(return_X_y=True)


# --8<-- [start:model]
def train(name, optimizer):
    """Four epochs with an optimizer."""
    keras.utils.set_random_seed(0)
    hidden = [keras.layers.Dense(64, "relu") for _ in range(3)]
    output = keras.layers.Dense(1)
    model = keras.Sequential([keras.Input((64,)), *hidden, output])
    model.compile(optimizer, "mse")
    recorder = keraskip.GradientRecorder(f"runs/{name}", on_finding="stop")
    model.fit(x, y, epochs=4, verbose=2, callbacks=[recorder])


train("nan", keras.optimizers.SGD(0.05))
# --8<-- [end:model]

# --8<-- [start:remedy]
train("remedy", keras.optimizers.SGD(learning_rate=4e-05))
# --8<-- [end:remedy]
