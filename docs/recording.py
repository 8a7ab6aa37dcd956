import keras
import tensorflow as tf
from sklearn.datasets import load_digits

import keraskip

keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
images = (x / 16).reshape(-1, 8, 8, 1)

# What lies between two marks, and what it prints, stands on the page.
print("--8<-- [start:record]")
for name, build in {"plain20": keraskip.build_plain, "resnet20": keraskip.build_resnet}.items():
    model = build(20, input_shape=(8, 8, 1), classes=10)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    recorder = keraskip.GradientRecorder(f"runs/{name}")
    model.fit(images, y, epochs=1, verbose=2, callbacks=[recorder])

comparison = keraskip.compare("runs/plain20", "runs/resnet20")
comparison.save("report.html")
print("--8<-- [end:record]")
comparison.save("two.svg")


def network():
    """A network of one hidden layer."""
    hidden, last = keras.layers.Dense(32, "relu"), keras.layers.Dense(10, "softmax")
    return keras.Sequential([keras.Input((64,)), hidden, last])


model = network()
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


print("--8<-- [start:loop]")
with keraskip.GradientRecorder("runs/mine").recording(model) as step_done:
    for batch, labels in batches:
        loss = train_step(batch, labels)
        step_done(loss=loss)
print(keraskip.compare("runs/mine"))
print("--8<-- [end:loop]")

keras.utils.set_random_seed(0)
model = network()
print("--8<-- [start:says]")
model.compile(keras.optimizers.SGD(10.0), "sparse_categorical_crossentropy", metrics=["accuracy"])
recorder = keraskip.GradientRecorder("runs/fast")
model.fit(x / 16, y, epochs=8, verbose=2, callbacks=[recorder])
print("--8<-- [end:says]")
