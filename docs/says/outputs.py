import keras
import numpy as np
from fragments import Training, digits, finding, network

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
