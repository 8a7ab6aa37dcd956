import keras
import tensorflow as tf
from sklearn.datasets import load_digits

import keraskip

keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
model = keras.Sequential(
    [keras.Input((64,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(10, "softmax")]
)
optimizer = keras.optimizers.SGD(0.1)
model.compile(optimizer)
loss_of = keras.losses.SparseCategoricalCrossentropy()
batches = tf.data.Dataset.from_tensor_slices((x / 16, y)).batch(32)


def train_step(x, y):
    """One step of one's own."""
    with tf.GradientTape() as tape:
        loss = loss_of(y, model(x, training=True))
    weights = model.trainable_variables
    optimizer.apply(tape.gradient(loss, weights), weights)
    return loss


# --8<-- [start:loop]
with keraskip.GradientRecorder("runs/mine").recording(model) as step_done:
    for x, y in batches:
        loss = train_step(x, y)
        step_done(loss=loss)
# --8<-- [end:loop]
print(keraskip.compare("runs/mine"))
