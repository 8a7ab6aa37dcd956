import keras
from fragments import Training, digits, finding, network

SGD = keras.optimizers.SGD


@finding("overflow in the first step", activation="relu")
def exponentials(activation="exponential"):
    """Six layers of exponentials."""
    x, y = digits()
    return Training(network(6, activation), x, y, SGD(0.01))


@finding("late failure")
def jump_of_the_rate():
    """A schedule that multiplies the rate by 1000 after 200 steps."""
    x, y = digits()
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([200], [0.1, 100.0])
    return Training(network(), x, y, SGD(rate), epochs=4)


@finding("float16 underflow", weight=None)
def half_precision_and_a_tiny_loss(weight=1e-7):
    """Mixed precision, a loss with a weight of 1e-7, and no loss scaling."""
    keras.config.set_dtype_policy("mixed_float16")
    x, y = digits()
    compiling = {"loss_weights": weight, "auto_scale_loss": weight is None}
    return Training(network(), x, y, keras.optimizers.Adam(1e-3), compiling=compiling)
