"""The networks of small trainings, one builder for each family."""

from functools import cache

import keras
from first_weights import drawn_by_numpy
from keras import layers
from training_data import as_given, as_list, clean_data_of, digits


def hidden(recipe, h, number, units=None):
    """One hidden layer, with its normalisation; in a residual network, with its skip."""
    units = units or recipe.units
    options = _options(recipe, number)
    activation = recipe.activation
    if recipe.family == "rnn":
        last = number == recipe.depth - 1
        activation = "tanh" if activation == "relu" else activation
        if options["kernel_initializer"] == "he_normal":
            options["kernel_initializer"] = "glorot_uniform"
        cell = getattr(layers, recipe.cell)
        layer = cell(units, activation, return_sequences=not last, **options)
        return (layers.Bidirectional(layer) if recipe.both_ways else layer)(h)
    if recipe.family in ("conv", "residual", "unet"):
        out = layers.Conv2D(units // 2, 3, padding="same", activation=activation, **options)(h)
    else:
        out = layers.Dense(units, activation, **options)(h)
    if recipe.normalised:
        out = layers.BatchNormalization(momentum=recipe.momentum)(out)
    if recipe.dropout:
        out = layers.Dropout(recipe.dropout, seed=0)(out)
    if recipe.cut == number:
        out = keras.ops.stop_gradient(out)
    return h + out if recipe.family == "residual" and h.shape == out.shape else out


def _options(recipe, number):
    kernel = recipe.initializer
    if recipe.bad_layer and recipe.bad_layer[0] == number:
        kernel = recipe.bad_layer[1]
    if isinstance(kernel, float):
        kernel = keras.initializers.RandomNormal(stddev=kernel)
    bias = -1e4 if recipe.dead_layer == number else recipe.bias
    return {
        "kernel_initializer": kernel,
        "bias_initializer": keras.initializers.Constant(bias),
        "kernel_regularizer": keras.regularizers.L2(recipe.penalty) if recipe.penalty else None,
        "name": f"hidden_{number}",
    }


def chain(recipe, h):
    """Hidden layers in a row; an image ends as the means of its maps.

    With skips there is an identity around every two hidden layers that it fits.
    """
    start = h
    for number in range(recipe.depth):
        h = hidden(recipe, h, number)
        if recipe.skips and start.shape != h.shape:
            start = h
        elif recipe.skips and number % 2 == 0:
            start = h = start + h
    return layers.GlobalAveragePooling2D()(h) if recipe.family in ("conv", "residual") else h


def hourglass(recipe, h):
    """Hidden layers that halve in width to the middle, and double again."""
    middle = recipe.depth // 2
    for number in range(recipe.depth):
        h = hidden(recipe, h, number, recipe.units // 2 ** (middle - abs(number - middle)))
    return h


def transformer(recipe, h):
    """Blocks of attention and a hidden layer, each normalised first and added to its input.

    A plain one has neither normalisation nor sums.
    """
    h = layers.Dense(recipe.units, name="embed")(h)
    for number in range(recipe.depth):
        before = h if recipe.plain else layers.LayerNormalization()(h)
        attention = layers.MultiHeadAttention(2, recipe.units // 2, name=f"attention_{number}")
        out = attention(before, before)
        h = out if recipe.plain else h + out
        out = hidden(recipe, h if recipe.plain else layers.LayerNormalization()(h), number)
        h = out if recipe.plain else h + out
    return layers.Flatten()(h)


def unet(recipe, h):
    """Two steps down and two up, with skips over the whole U; a plain one is an autoencoder."""
    first = hidden(recipe, h, 0)
    second = hidden(recipe, layers.MaxPooling2D()(first), 1)
    h = hidden(recipe, layers.MaxPooling2D()(second), 2)
    for number, beside in ((3, second), (4, first)):
        h = layers.UpSampling2D()(h)
        h = hidden(recipe, h if recipe.plain else layers.Concatenate()([h, beside]), number)
    return h


def siamese(recipe, first, second):
    """How far apart one encoder places two samples."""
    inputs = keras.Input(first.shape[1:])
    encoder = keras.Model(inputs, chain(recipe, inputs), name="encoder")
    return keras.ops.abs(encoder(first) - encoder(second))


def transfer(recipe, h):
    """Hidden layers behind a base that was trained before."""
    base = _base(h.shape[1:])
    base.set_weights(base_weights(recipe.drawn))
    if recipe.base == "dead":
        base.get_layer("base_1").bias.assign([-1e4] * 32)
    base.trainable = recipe.base == "trains"
    return chain(recipe, base(h))


def _base(shape):
    inputs = keras.Input(shape)
    h = layers.Dense(64, "relu", name="base_0")(inputs)
    return keras.Model(inputs, layers.Dense(32, "relu", name="base_1")(h), name="base")


@cache
def base_weights(drawn=None):
    """The weights of a base that has learned to tell digits apart.

    With first weights that numpy draws, nothing is shuffled either: each backend does it its way.
    """
    keras.utils.set_random_seed(0)
    x, y = digits()
    with drawn_by_numpy(drawn):
        base = _base(x.shape[1:])
        model = keras.Sequential([base, layers.Dense(10, "softmax")])
        model.build((None, *x.shape[1:]))
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=64, epochs=4, verbose=0, shuffle=drawn is None)
    return base.get_weights()


BODIES = {
    "autoencoder": hourglass,
    "transformer": transformer,
    "unet": unet,
    "siamese": siamese,
    "transfer": transfer,
}


def model_of(recipe, outputs):
    """The network, with a head for each of the outputs: units and activation."""
    keras.config.set_dtype_policy(recipe.policy)
    x, _ = clean_data_of(recipe)
    inputs = [keras.Input(part.shape[1:]) for part in as_list(x)]
    h = BODIES.get(recipe.family, chain)(recipe, *inputs)
    branches = [h]
    if len(outputs) > 1:
        count = range(len(outputs))
        branches = [layers.Dense(recipe.units, "relu", name=f"branch_{n}")(h) for n in count]
    pairs = zip(branches, outputs, strict=True)
    heads = [_head(recipe, number, *pair) for number, pair in enumerate(pairs)]
    keras.config.set_dtype_policy("float32")
    return keras.Model(as_given(inputs), as_given(heads))


def _head(recipe, number, h, output):
    units, activation = output
    options = {
        "activation": activation,
        "bias_initializer": keras.initializers.Constant(recipe.head_bias),
        "name": f"head_{number}" if number else "head",
        "dtype": "float32",
        "kernel_initializer": recipe.head_initializer,
    }
    if recipe.family == "unet":
        return layers.Conv2D(units, 1, **options)(h)
    return layers.Dense(units, **options)(h)
