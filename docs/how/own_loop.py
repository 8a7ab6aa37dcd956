import keras
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

import keraskip

x, y = load_digits(return_X_y=True)
data = tf.data.Dataset.from_tensor_slices((x / 16, y)).batch(32)
loss_of = keras.losses.SparseCategoricalCrossentropy()


# --8<-- [start:loop]
def train(name, optimizer):
    """Four epochs of a loop without `fit`."""
    keras.utils.set_random_seed(0)
    hidden = [keras.layers.Dense(64, "relu") for _ in range(3)]
    output = keras.layers.Dense(10, "softmax")
    model = keras.Sequential([keras.Input((64,)), *hidden, output])

    @tf.function
    def train_step(images, labels):
        with tf.GradientTape() as tape:
            loss = loss_of(labels, model(images, training=True))
        gradients = tape.gradient(loss, model.trainable_weights)
        optimizer.apply(gradients, model.trainable_weights)
        return loss

    recorder = keraskip.GradientRecorder(f"runs/{name}")
    with recorder.recording(model, optimizer) as step_done:
        for _ in range(4):
            for images, labels in data:
                loss = train_step(images, labels)
                step_done(loss=loss)
    right = model(x / 16).numpy().argmax(axis=1) == y
    print(f"{name}: accuracy {np.mean(right):.2f}")


# --8<-- [end:loop]


# --8<-- [start:slow]
train("slow", keras.optimizers.SGD(1e-5))
# --8<-- [end:slow]

# --8<-- [start:remedy]
train("remedy", keras.optimizers.SGD(learning_rate=0.06))
# --8<-- [end:remedy]
