import keras
import numpy as np
from _sections import finding
from _training import Training, digits, network


def normalised(depth, skips):
    """What the remedy asks for: an identity around ReLU layers with normalisation."""
    inputs = keras.Input((64,))
    now = keras.layers.Dense(32, "relu", kernel_initializer="he_normal")(inputs)
    for _ in range(depth - 1):
        branch = keras.layers.Dense(32, "relu", kernel_initializer="he_normal")(now)
        branch = keras.layers.BatchNormalization(momentum=0.9)(branch)
        now = now + branch if skips else branch
    return keras.Model(inputs, keras.layers.Dense(10, "softmax")(now))


@finding("exploding", picture=True, cured=True)
def large_kernels(cured=False):
    """Ten ReLU layers whose kernels begin four times too large."""
    x, y = digits()
    large = keras.initializers.RandomNormal(stddev=1.0)
    model = normalised(10, True) if cured else network(10, initializer=large)
    return Training(model, x, y, keras.optimizers.SGD(0.1))


@finding("vanishing", picture=True, cured=True)
def sigmoids(cured=False):
    """Ten layers of sigmoids."""
    x, y = digits()
    model = normalised(10, True) if cured else network(10, "sigmoid", "glorot_uniform")
    return Training(model, x, y, keras.optimizers.SGD(0.1))


@finding("weak lower layers", cured=True)
def few_sigmoids(cured=False):
    """Four layers of sigmoids: the signal loses more than one order and less than two."""
    x, y = digits()
    model = normalised(3, False) if cured else network(3, "sigmoid", "glorot_uniform")
    return Training(model, x, y, keras.optimizers.SGD(0.03))


@finding("input lost", cured=True)
def sigmoids_and_adam(cured=False):
    """Ten layers of sigmoids: Adam makes up for small gradients, not for lost inputs."""
    x, y = digits()
    model = normalised(10, True) if cured else network(10, "sigmoid", "glorot_uniform")
    return Training(model, x, y, keras.optimizers.Adam(1e-3))


@finding("overflow in the first step", activation="relu")
def exponentials(activation="exponential"):
    """Six layers of exponentials."""
    x, y = digits()
    return Training(network(6, activation), x, y, keras.optimizers.SGD(0.01))


@finding("late failure")
def jump_of_the_rate():
    """A schedule that multiplies the rate by 1000 after 200 steps."""
    x, y = digits()
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([200], [0.1, 100.0])
    return Training(network(), x, y, keras.optimizers.SGD(rate), epochs=4)


@finding("float16 underflow", weight=None)
def half_precision_and_a_tiny_loss(weight=1e-7):
    """Mixed precision, a loss with a weight of 1e-7, and no loss scaling."""
    keras.config.set_dtype_policy("mixed_float16")
    x, y = digits()
    compiling = {"loss_weights": weight, "auto_scale_loss": weight is None}
    return Training(network(), x, y, keras.optimizers.Adam(1e-3), compiling=compiling)


def first_of(count):
    """Sequences of noise; the answer is their first number."""
    x = np.random.default_rng(0).normal(size=(1600, count, 1)).astype("float32")
    return x, x[:, 0]


def recurrent(cell, count):
    """A recurrent layer of 12 units, and a number as its answer."""
    return keras.Sequential([keras.Input((count, 1)), cell, keras.layers.Dense(1)])


@finding("time")
def the_first_of_sixty():
    """A plain recurrent layer has to remember the first of 60 numbers."""
    x, y = first_of(60)
    cell = keras.layers.SimpleRNN(12)
    return Training(recurrent(cell, 60), x, y, keras.optimizers.Adam(3e-3), "mse", epochs=2,
                    recording={"probe": (x[:32], y[:32])})  # fmt: skip


@finding("time not seen")
def without_a_probe():
    """The same, recorded without a probe."""
    return the_first_of_sixty()._replace(recording={})


@finding("nothing to learn", shuffled=False)
def labels_of_other_samples(shuffled=True):
    """The inputs were shuffled, and the labels were not."""
    x, y = digits()
    if shuffled:
        x = x[np.random.default_rng(0).permutation(len(x))]
    return Training(network(), x, y, keras.optimizers.SGD(0.05))


@finding("unexplained")
def shuffled_with_a_loss_of_its_own():
    """The same with an own loss. Nobody knows what a constant guess has there."""

    def own(truth, answer):
        return keras.losses.sparse_categorical_crossentropy(truth, answer) + 2.0

    x, y = digits()
    x = x[np.random.default_rng(0).permutation(len(x))]
    return Training(network(initializer="glorot_uniform"), x, y, keras.optimizers.SGD(0.01), own)
