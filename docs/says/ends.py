import keras
import numpy as np
from _sections import finding
from _training import Training, digits, network


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


BINARY, SPARSE = "binary_crossentropy", "sparse_categorical_crossentropy"


@finding("softmax over one unit", head="sigmoid")
def softmax_over_one(head="softmax"):
    """Even or odd, by a softmax over a single unit."""
    x, y = digits()
    return Training(network(units=1, head=head), x, y % 2, loss=BINARY, epochs=3)


@finding("too few output units", units=1, head="sigmoid", loss=BINARY)
def one_unit_for_two_classes(units=1, head="sigmoid", loss="categorical_crossentropy"):
    """Even or odd, by one unit and the crossentropy of classes."""
    x, y = digits()
    y = (y % 2).astype("float32")[:, None]
    return Training(network(units=units, head=head), x, y, loss=loss, epochs=3)


@finding("targets out of reach", cured=True)
def sigmoid_below_five(cured=False):
    """Targets between 5 and 6 for an output between 0 and 1."""
    x, y = digits()
    y = (5 + y / 10).astype("float32")[:, None]
    if not cured:
        return Training(network(units=1, head="sigmoid"), x, y, loss="mse")
    y = (y - y.mean(axis=0)) / (y.std(axis=0) + 1e-7)
    return Training(network(units=1, head=None), x, y, keras.optimizers.Adam(1e-3), "mse")


@finding("logits taken for probabilities", head="softmax")
def no_activation(head=None):
    """Ten outputs without softmax, and a crossentropy that expects probabilities."""
    x, y = digits()
    return Training(network(head=head), x, y, keras.optimizers.SGD(0.1))


@finding("probabilities taken for logits", head=None)
def softmax_twice(head="softmax"):
    """A softmax, and a crossentropy that applies another."""
    x, y = digits()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return Training(network(head=head, depth=6), x, y, keras.optimizers.SGD(0.003), loss)


@finding("no softmax with a categorical loss", head="softmax")
def sigmoid_over_classes(head="sigmoid"):
    """Ten sigmoids, and the crossentropy of classes."""
    x, y = digits()
    return Training(network(head=head), x, np.eye(10)[y], keras.optimizers.SGD(1.0),
                    "categorical_crossentropy")  # fmt: skip


@finding("loss too small", weight=None)
def loss_times_a_millionth(weight=1e-6):
    """A loss with a weight of 1e-6."""
    x, y = digits()
    return Training(network(), x, y, keras.optimizers.SGD(0.1),
                    compiling={"loss_weights": weight})  # fmt: skip


@finding("no gradient", head=None, start="zeros")
def dead_output(head="relu", start="ones"):
    """A regression whose output is a ReLU that begins far below 0."""
    x, y = digits()
    model = network(units=1, head=head)
    model.layers[-1].bias.assign([-100.0 if start == "ones" else 0.0])
    return Training(model, x, (y / 10).astype("float32"), loss="mse")
