import keras
import numpy as np
from fragments import Training, digits, finding, network


@finding("inputs not finite")
def one_pixel_is_missing():
    """One number of one sample is NaN."""
    x, y = digits()
    x[500, 3] = np.nan
    return Training(network(), x, y)


@finding("targets not finite")
def one_target_is_missing():
    """One target of a regression is NaN."""
    x, y = digits()
    y = y.astype("float32") / 10
    y[500] = np.nan
    return Training(network(units=1, head=None), x, y, loss="mse")


@finding("weights not finite", value=0.1)
def broken_before_training(value=np.nan):
    """A kernel that was saved after it broke."""
    x, y = digits()
    model = network()
    model.layers[1].kernel.assign(model.layers[1].kernel * 0 + value)
    if np.isfinite(value):  # the weights of before
        model = network()
    return Training(model, x, y)


@finding("inputs alike")
def the_same_number_everywhere():
    """Pixels divided twice, as whole numbers."""
    x, y = digits()
    return Training(network(), (x // 2).astype("float32"), y)


@finding("targets alike")
def one_class_only():
    """Every label is 3, and the network has answered something else so far."""
    x, y = digits()
    return Training(network(), x, np.full_like(y, 3), keras.optimizers.SGD(1e-3), epochs=1)


@finding("inputs too large")
def raw_numbers():
    """Inputs up to 10,000, at the default rate of SGD."""
    x, y = digits()
    return Training(network(), x * 1e4, y)


@finding("targets too large")
def prices():
    """A regression on numbers around 300,000."""
    x, y = digits()
    y = (y * 8e3 + 3e5).astype("float32")
    return Training(network(units=1, head=None), x, y, loss="mse")
