import keras
import numpy as np
from _sections import finding
from _training import Training, digits, network


@finding("units alike", initializer="he_normal")
def begins_with_zeros(initializer="zeros"):
    """Hidden kernels of zeros."""
    x, y = digits()
    return Training(network(initializer=initializer), x, y, keras.optimizers.SGD(0.1))


@finding("dead layer", picture=True, bias=0.0)
def bias_far_below_zero(bias=-1e4):
    """The second of four ReLU layers begins with a bias of -10,000."""
    x, y = digits()
    model = network(depth=4)
    model.layers[1].bias.assign(np.full(32, bias))
    return Training(model, x, y, keras.optimizers.SGD(0.1))


@finding("one bad layer", picture=True, scale=1.0)
def one_tiny_kernel(scale=1e-6):
    """The kernel of the fourth of eight layers begins a million times too small."""
    x, y = digits()
    model = network(depth=8)
    model.layers[3].kernel.assign(model.layers[3].kernel * scale)
    return Training(model, x, y, keras.optimizers.SGD(0.01), epochs=1)


@finding("cut off", cut=False, activation="relu")
def no_way_back(cut=True, activation="sigmoid"):
    """A `stop_gradient` behind the sixth of seven layers of sigmoids."""
    x, y = digits()
    layers = network(depth=7, activation=activation).layers
    stop = [keras.layers.Lambda(keras.ops.stop_gradient)] if cut else []
    model = keras.Sequential([keras.Input((64,)), *layers[:6], *stop, *layers[6:]])
    return Training(model, x, y, keras.optimizers.SGD(0.1))


@finding("attention collapse", skips=True)
def attention_without_skips(skips=False):
    """Eight layers of attention over eight rows of pixels, without sums and normalisation."""
    x, y = digits()
    inputs = keras.Input((8, 8))
    now = inputs
    for _ in range(8):
        before = keras.layers.LayerNormalization()(now) if skips else now
        after = keras.layers.MultiHeadAttention(1, 8)(before, before)
        now = now + after if skips else after
    answer = keras.layers.Dense(10, "softmax")(keras.layers.GlobalAveragePooling1D()(now))
    return Training(keras.Model(inputs, answer), x.reshape(-1, 8, 8), y, keras.optimizers.SGD(0.1))


@finding("too much dropout", rate=0.05)
def keeps_what_it_should_drop(rate=0.98):
    """Dropout of 0.98 behind each hidden layer, where 0.02 was meant."""
    x, y = digits()
    layers = [each for layer in network().layers[:-1]
              for each in (layer, keras.layers.Dropout(rate))]  # fmt: skip
    model = keras.Sequential([keras.Input((64,)), *layers, keras.layers.Dense(10, "softmax")])
    return Training(model, x, y, keras.optimizers.SGD(0.01))


@finding("learning rate 0")
def rate_zero():
    """A learning rate of 0."""
    x, y = digits()
    return Training(network(), x, y, keras.optimizers.SGD(0.0))


@finding("negative learning rate")
def rate_negative():
    """A sign that was lost on the way."""
    x, y = digits()
    return Training(network(), x, y, keras.optimizers.SGD(-0.05))


@finding("clipping")
def clipped_to_nothing():
    """Gradients are clipped at a norm of 1e-7."""
    x, y = digits()
    return Training(network(), x, y, keras.optimizers.SGD(0.1, global_clipnorm=1e-7))


@finding("no update")
def only_accumulates():
    """Gradients are accumulated over 1000 steps, and the run has 200."""
    x, y = digits()
    return Training(network(), x, y, keras.optimizers.SGD(0.1, gradient_accumulation_steps=1000))


@finding("updates too small")
def rate_of_a_ten_millionth():
    """A rate that float arithmetic swallows."""
    x, y = digits()
    return Training(network(), x, y, keras.optimizers.SGD(1e-7))


@finding("too slow")
def rate_a_thousand_times_too_low():
    """A rate of 3e-5 for plain SGD."""
    x, y = digits()
    return Training(network(), x, y, keras.optimizers.SGD(3e-5))


@finding("learning rate too high")
def rate_of_ten():
    """A rate of 10 for plain SGD."""
    x, y = digits()
    return Training(network(), x, y, keras.optimizers.SGD(10.0))


@finding("weight decay")
def decay_of_three():
    """A weight decay of 3 instead of 1e-4."""
    x, y = digits()
    return Training(network(), x, y, keras.optimizers.SGD(0.05, weight_decay=3.0))
