import keras
from fragments import Training, digits, finding, network

SGD = keras.optimizers.SGD
LARGE = keras.initializers.RandomNormal(stddev=1.0)


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
    """Sixteen ReLU layers whose kernels begin four times too large."""
    x, y = digits()
    model = normalised(16, True) if cured else network(16, initializer=LARGE)
    return Training(model, x, y, SGD(0.1))


@finding("vanishing", picture=True, cured=True)
def sigmoids(cured=False):
    """Ten layers of sigmoids."""
    x, y = digits()
    model = normalised(10, True) if cured else network(10, "sigmoid", "glorot_uniform")
    return Training(model, x, y, SGD(0.1))


@finding("weak lower layers", cured=True)
def few_sigmoids(cured=False):
    """Four layers of sigmoids: the signal loses more than one order and less than two."""
    x, y = digits()
    model = normalised(3, False) if cured else network(3, "sigmoid", "glorot_uniform")
    return Training(model, x, y, SGD(0.03))


@finding("input lost", cured=True)
def sigmoids_and_adam(cured=False):
    """Twelve layers of sigmoids: Adam makes up for small gradients, not for lost inputs."""
    x, y = digits()
    model = normalised(12, True) if cured else network(12, "sigmoid", "glorot_uniform")
    return Training(model, x, y, keras.optimizers.Adam(1e-3))
