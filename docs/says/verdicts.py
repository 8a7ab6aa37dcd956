import keras
import numpy as np
from _sections import state, verdict
from _training import Training, digits, network

SGD = keras.optimizers.SGD


@verdict("diverged", picture=False)
@state("diverged")
def rate_of_a_million():
    """Each update throws the weights away."""
    x, y = digits()
    return Training(network(), x, y, SGD(1e6))


@verdict("no gradient")
def saturated():
    """A tanh layer in the middle that answers 1 to everything."""
    x, y = digits()
    model = network(6, "tanh")
    model.layers[3].bias.assign(np.full(32, 1e4))
    return Training(model, x, y)


@verdict("dead")
def bias_far_below_zero():
    """A ReLU layer in the middle that answers 0 to everything."""
    x, y = digits()
    model = network(6)
    model.layers[3].bias.assign(np.full(32, -1e4))
    return Training(model, x, y)


@verdict("vanishing")
def sigmoids():
    """Ten layers of sigmoids."""
    x, y = digits()
    return Training(network(10, "sigmoid", "glorot_uniform"), x, y)


@verdict("exploding")
def large_kernels():
    """Ten ReLU layers whose kernels begin four times too large, at a rate that changes nothing."""
    x, y = digits()
    large = keras.initializers.RandomNormal(stddev=1.0)
    return Training(network(10, initializer=large), x, y, SGD(1e-30))


@verdict("healthy")
@state("learning")
def sound():
    """Six ReLU layers with the initialisation that is made for them."""
    x, y = digits()
    return Training(network(6), x, y, SGD(0.05), epochs=3)


@verdict("inconclusive", picture=False)
def near_the_limit():
    """Four layers of sigmoids: two orders of magnitude lie in the interval."""
    x, y = digits()
    return Training(network(4, "sigmoid", "glorot_uniform"), x, y, SGD(0.01), epochs=1)


@state("frozen")
def rate_zero():
    """A learning rate of 0."""
    x, y = digits()
    return Training(network(), x, y, SGD(0.0))


@state("not learning")
def shuffled():
    """Labels that belong to other samples."""
    x, y = digits()
    return Training(network(), x, np.random.default_rng(0).permutation(y), SGD(0.05))


@state("unknown")
def thirty_steps():
    """Too few steps to tell."""
    x, y = digits()
    return Training(network(), x[:480], y[:480], SGD(0.001), epochs=1)
