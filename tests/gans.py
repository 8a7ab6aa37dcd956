"""A small GAN: points of a normal distribution, made of noise, with two optimizers.

Two losses and two optimizers in a `train_step` of its own, as in the guides of Keras. It runs on
TensorFlow and PyTorch; on JAX a training step is written in another way.
"""

import keras
import numpy as np
from families import hidden
from keras import layers, ops

NOISE = 4


class Gan(keras.Model):
    """A generator, and a critic that tells its points from true ones."""

    def __init__(self, recipe):
        super().__init__()
        self.generator = _network(recipe, NOISE, 2, "generator")
        self.critic = _network(recipe, 2, 1, "critic", sound=True)
        self.noise = keras.random.SeedGenerator(1)
        self.built = True

    def compile(self, critic_optimizer, generator_optimizer):
        super().compile()
        self.critic_optimizer, self.generator_optimizer = critic_optimizer, generator_optimizer
        self.critic_loss = keras.metrics.Mean("d_loss")
        self.generator_loss = keras.metrics.Mean("g_loss")

    def train_step(self, true):
        count = ops.shape(true)[0]

        def critic_loss():
            said = self.critic(ops.concatenate([true, self._made(count)]))
            return _entropy(ops.concatenate([ops.ones((count, 1)), ops.zeros((count, 1))]), said)

        def generator_loss():
            return _entropy(ops.ones((count, 1)), self.critic(self._made(count)))

        loss = _step(self, critic_loss, self.critic.trainable_weights, self.critic_optimizer)
        self.critic_loss.update_state(loss)
        weights = self.generator.trainable_weights
        loss = _step(self, generator_loss, weights, self.generator_optimizer)
        self.generator_loss.update_state(loss)
        return {metric.name: metric.result() for metric in (self.critic_loss, self.generator_loss)}

    def _made(self, count):
        return self.generator(keras.random.normal((count, NOISE), seed=self.noise))


def _network(recipe, width, units, name, sound=False):
    """The critic is always sound; a fault sits in the generator."""
    h = inputs = keras.Input((width,))
    for number in range(recipe.depth):
        h = (
            layers.Dense(recipe.units, "leaky_relu", name=f"critic_{number}")(h)
            if sound
            else hidden(recipe, h, number)
        )
    return keras.Model(inputs, layers.Dense(units, name=f"{name}_head")(h), name=name)


def _entropy(truth, logits):
    return ops.mean(ops.binary_crossentropy(truth, logits, from_logits=True))


def _step(model, loss_of, weights, optimizer):
    """One step of one optimizer."""
    if keras.backend.backend() == "torch":
        import torch

        model.zero_grad()
        loss = loss_of()
        loss.backward()
        gradients = [weight.value.grad for weight in weights]
        with torch.no_grad():
            optimizer.apply(gradients, weights)
        return loss
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = loss_of()
    optimizer.apply(tape.gradient(loss, weights), weights)
    return loss


def likeness(model, true):
    """1 for points that are distributed like the true ones, 0 for their mean alone, or worse.

    By the energy distance (Szekely & Rizzo 2013), which is 0 for equal distributions only.
    """
    noise = np.random.default_rng(0).normal(size=(len(true), NOISE)).astype("float32")
    made = np.asarray(model.generator.predict(noise, verbose=0, batch_size=256), float)
    if not np.isfinite(made).all():
        return float("-inf")
    middle = np.broadcast_to(true.mean(axis=0), true.shape)
    return float(1 - _energy(made, true) / _energy(middle, true))


def _energy(made, true):
    def apart(a, b):
        return np.linalg.norm(a[:, None] - b[None], axis=-1).mean()

    return 2 * apart(made, true) - apart(made, made) - apart(true, true)
