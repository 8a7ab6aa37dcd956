import keras
from fragments import Training, digits, finding, network

SGD = keras.optimizers.SGD


@finding("learning rate 0")
def rate_zero():
    """A learning rate of 0."""
    x, y = digits()
    return Training(network(), x, y, SGD(0.0))


@finding("negative learning rate")
def rate_negative():
    """A sign that was lost on the way."""
    x, y = digits()
    return Training(network(), x, y, SGD(-0.05))


@finding("clipping")
def clipped_to_nothing():
    """Gradients are clipped at a norm of 1e-7."""
    x, y = digits()
    return Training(network(), x, y, SGD(0.1, global_clipnorm=1e-7))


@finding("no update")
def only_accumulates():
    """Gradients are accumulated over 1000 steps, and the run has 200."""
    x, y = digits()
    return Training(network(), x, y, SGD(0.1, gradient_accumulation_steps=1000))


@finding("updates too small")
def rate_of_a_ten_millionth():
    """A rate that float arithmetic swallows."""
    x, y = digits()
    return Training(network(), x, y, SGD(1e-7))


@finding("too slow")
def rate_a_thousand_times_too_low():
    """A rate of 3e-5 for plain SGD."""
    x, y = digits()
    return Training(network(), x, y, SGD(3e-5))


@finding("learning rate too high")
def rate_of_ten():
    """A rate of 10 for plain SGD."""
    x, y = digits()
    return Training(network(), x, y, SGD(10.0))


@finding("weight decay")
def decay_of_three():
    """A weight decay of 3 instead of 1e-4."""
    x, y = digits()
    return Training(network(), x, y, SGD(0.05, weight_decay=3.0))
