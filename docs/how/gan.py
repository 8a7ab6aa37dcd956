import keras
import numpy as np
import tensorflow as tf
from keras import layers

import keraskip

NOISE = 4
points = np.random.default_rng(0).normal(size=(1280, 2))
true = points * [0.7, 0.4] + [1.5, -1.0]
entropy = keras.losses.BinaryCrossentropy(from_logits=True)


# --8<-- [start:gan]
class Gan(keras.Model):
    """A generator and a critic, each with its own optimizer."""

    def __init__(self, generator, critic):
        super().__init__()
        self.generator, self.critic = generator, critic
        self.built = True

    def compile(self, rate):
        """An optimizer for each part."""
        super().compile()
        self.critic_optimizer = keras.optimizers.Adam(rate)
        self.generator_optimizer = keras.optimizers.Adam(rate)

    def train_step(self, real):
        """One step of the critic and one of the generator."""
        with tf.GradientTape(persistent=True) as tape:
            noise = tf.random.normal((tf.shape(real)[0], NOISE))
            made = self.generator(noise, training=True)
            on_real, on_made = self.critic(real), self.critic(made)
            fooled = entropy(tf.ones_like(on_made), on_made)
            caught = entropy(tf.ones_like(on_real), on_real)
            caught += entropy(tf.zeros_like(on_made), on_made)
        for part, optimizer, loss in [
            (self.critic, self.critic_optimizer, caught),
            (self.generator, self.generator_optimizer, fooled),
        ]:
            weights = part.trainable_weights
            optimizer.apply(tape.gradient(loss, weights), weights)
        return {"critic_loss": caught, "generator_loss": fooled}


# --8<-- [end:gan]


# --8<-- [start:train]
def sigmoids(x):
    """Eight layers with a sigmoid."""
    for _ in range(8):
        x = layers.Dense(32, "sigmoid")(x)
    return x


def train(body):
    """Eight epochs with this generator; prints what it makes."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((NOISE,))
    made = layers.Dense(2)(body(inputs))
    generator = keras.Model(inputs, made, name="generator")
    hidden = [layers.Dense(32, "leaky_relu") for _ in range(2)]
    critic = [keras.Input((2,)), *hidden, layers.Dense(1)]
    critic = keras.Sequential(critic, name="critic")
    gan = Gan(generator, critic)
    gan.compile(1e-3)
    recorder = keraskip.GradientRecorder(f"runs/{body.__name__}")
    gan.fit(true, epochs=8, batch_size=64, verbose=0, callbacks=[recorder])
    noise = np.random.default_rng(1).normal(size=(1000, NOISE))
    describe(f"made by {body.__name__}", generator(noise).numpy())


def describe(name, points):
    """Prints the centre and the spread of the points."""
    mean, spread = points.mean(axis=0), points.std(axis=0)
    print(f"{name}: mean {mean.round(2)}, spread {spread.round(2)}")


describe("true", true)
train(sigmoids)
# --8<-- [end:train]


# --8<-- [start:remedy]
def remedied(x):
    """Eight layers with the remedy; the first one makes the widths equal."""
    x = layers.Dense(32)(x)
    for _ in range(8):
        layer = layers.Dense(32, "relu", kernel_initializer="he_normal")
        x = x + layers.BatchNormalization(momentum=0.9)(layer(x))
    return x


train(remedied)
# --8<-- [end:remedy]
