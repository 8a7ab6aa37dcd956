"""Networks without skips, and beside each the same network with the skips drawn by hand.

Each function takes `skip`, which calls layers in a row on a tensor: in the plain network that is
all, and in the twin it adds the tensor to what comes out.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
from keras import layers


class Drawn(NamedTuple):
    """A network and the arguments with which `add_skips` draws the same twin.

    Attributes:
        build: makes the network with the function `skip`.
        options: arguments of `add_skips`.
    """

    build: Callable[..., keras.Model]
    options: dict[str, Any]

    def plain(self) -> keras.Model:
        return self._built(in_a_row)

    def by_hand(self) -> keras.Model:
        return self._built(around)

    def _built(self, skip) -> keras.Model:
        keras.utils.clear_session(free_memory=False)  # names count from the start again
        keras.utils.set_random_seed(0)
        return self.build(skip)


def in_a_row(x, *calls):
    for call in calls:
        x = call(x)
    return x


def around(x, *calls):
    return layers.Add()([x, in_a_row(x, *calls)])


DRAWN: dict[str, Drawn] = {}


def drawn(**options):
    def enter(build):
        DRAWN[build.__name__] = Drawn(build, options)
        return build

    return enter


def dense(units=8, activation="tanh"):
    return layers.Dense(units, activation)


def conv(filters=4, activation="tanh", **options):
    return layers.Conv2D(filters, 3, padding="same", activation=activation, **options)


@drawn()
def mlp(skip):
    x = inputs = keras.Input((8,))
    for _ in range(3):
        x = skip(x, dense(), dense())
    return keras.Model(inputs, dense(3, "softmax")(x))


@drawn()
def mlp_of_an_odd_number_of_layers(skip):
    """The layers behind the one that changes the shape are left over."""
    x = inputs = keras.Input((5,))
    x = dense()(dense()(x))
    x = skip(x, dense(), dense())
    return keras.Model(inputs, dense(3)(skip(x, dense(), dense())))


@drawn(every=3)
def mlp_of_threes(skip):
    x = inputs = keras.Input((8,))
    return keras.Model(inputs, dense(1)(skip(x, dense(), dense(4), dense())))


@drawn()
def conv1d(skip):
    x = inputs = keras.Input((9, 3))
    x = layers.Conv1D(4, 3, padding="same")(x)
    x = skip(x, *(layers.Conv1D(4, 3, padding="causal", activation="relu") for _ in range(2)))
    return keras.Model(inputs, dense(2)(layers.GlobalMaxPooling1D()(x)))


@drawn()
def conv2d(skip):
    x = inputs = keras.Input((6, 6, 4))
    x = skip(x, conv(), conv())
    x = skip(x, conv(), conv())
    return keras.Model(inputs, dense(2)(layers.Flatten()(x)))


@drawn()
def conv3d(skip):
    x = inputs = keras.Input((3, 4, 5, 2))
    x = skip(x, *(layers.Conv3D(2, 3, padding="same") for _ in range(2)))
    return keras.Model(inputs, dense(2)(layers.GlobalAveragePooling3D()(x)))


@drawn()
def images_of_any_size(skip):
    """The unpadded convolutions change the shape, although it is (None, None, 4) all along."""
    x = inputs = keras.Input((None, None, 4))
    x = skip(x, conv(), conv())
    x = layers.Conv2D(4, 3)(layers.Conv2D(4, 3)(x))
    return keras.Model(inputs, dense(2)(layers.GlobalAveragePooling2D()(x)))


@drawn()
def vgg(skip):
    x = inputs = keras.Input((8, 8, 3))
    x = layers.MaxPooling2D()(conv(4, "relu")(conv(4, "relu")(x)))
    x = skip(conv(8, "relu")(x), conv(8, "relu"), conv(8, "relu"))
    x = layers.Flatten()(layers.MaxPooling2D()(x))
    x = skip(dense(16, "relu")(x), dense(16, "relu"), layers.Dropout(0.5), dense(16, "relu"))
    return keras.Model(inputs, dense(2, "softmax")(x))


@drawn()
def autoencoder(skip):
    x = inputs = keras.Input((12,))
    x = skip(dense(8)(x), dense(4), dense(8))
    return keras.Model(inputs, dense(12, "sigmoid")(x))


@drawn()
def nested(skip):
    """Encoder and decoder get skips inside; the decoder's last layer makes the output."""
    coded = code = keras.Input((8,))
    encoder = keras.Model(coded, skip(code, dense(), dense()), name="encoder")
    coded = code = keras.Input((8,))
    code = skip(code, dense(), dense())
    decoder = keras.Model(coded, dense(8, "sigmoid")(code), name="decoder")
    inputs = keras.Input((8,))
    return keras.Model(inputs, decoder(encoder(inputs)))


@drawn()
def nested_single_layers(skip):
    """Two models with room for no skip inside count as the two layers that they contain."""
    x = inputs = keras.Input((8,))
    blocks = [keras.Sequential([keras.Input((8,)), dense()], name=f"block{n}") for n in range(4)]
    x = skip(skip(x, *blocks[:2]), *blocks[2:])
    return keras.Model(inputs, dense(2)(x))


@drawn()
def nested_called_twice(skip):
    one = way = keras.Input((8,))
    tower = keras.Model(one, skip(way, dense(), dense()), name="tower")
    pair = keras.Input((8,)), keras.Input((8,))
    return keras.Model(pair, dense(1)(layers.Subtract()([tower(each) for each in pair])))


@drawn()
def dropout(skip):
    x = inputs = keras.Input((8,))
    x = skip(x, dense(), layers.Dropout(0.2), dense(), layers.Dropout(0.2))
    return keras.Model(inputs, dense(2)(x))


@drawn()
def batch_normalization(skip):
    """The last ReLU comes behind the addition, where it leaves the identity as it is."""
    x = inputs = keras.Input((6, 6, 3))
    x = layers.ReLU()(layers.BatchNormalization()(conv(4, None)(x)))
    for _ in range(2):
        x = skip(
            x, conv(4, None), layers.BatchNormalization(), layers.ReLU(), conv(4, None),
            layers.BatchNormalization(),
        )  # fmt: skip
        x = layers.ReLU()(x)
    return keras.Model(inputs, dense(2)(layers.GlobalAveragePooling2D()(x)))


@drawn()
def group_normalization(skip):
    """The last tanh stays in the branch: behind the addition it would bend the identity."""
    x = inputs = keras.Input((6, 6, 4))
    x = skip(
        x, conv(4, None), layers.GroupNormalization(2), layers.Activation("tanh"), conv(4, None),
        layers.GroupNormalization(2), layers.Activation("tanh"),
    )  # fmt: skip
    return keras.Model(inputs, dense(2)(layers.GlobalAveragePooling2D()(x)))


@drawn()
def layer_normalization(skip):
    """The ReLU stays in the branch, since the input may be negative."""
    x = inputs = keras.Input((8,))
    normalized = layers.LayerNormalization, layers.ReLU
    x = skip(x, dense(8, None), *(make() for make in normalized), dense(8, None),
             *(make() for make in normalized))  # fmt: skip
    return keras.Model(inputs, dense(2)(x))


@drawn()
def rms_and_unit_normalization(skip):
    x = inputs = keras.Input((8,))
    x = skip(x, dense(), layers.RMSNormalization(), dense(), layers.UnitNormalization())
    return keras.Model(inputs, dense(2)(x))


@drawn(preact=True)
def pre_activation(skip):
    """The first block starts behind the activation of the stem, the second one before its own."""
    x = inputs = keras.Input((6, 6, 3))
    x = layers.ReLU()(layers.BatchNormalization()(conv(4, None)(x)))
    x = skip(x, conv(4, None), layers.BatchNormalization(), layers.ReLU(), conv(4, None))
    x = skip(
        x, layers.BatchNormalization(), layers.ReLU(), conv(4, None),
        layers.BatchNormalization(), layers.ReLU(), conv(4, None),
    )  # fmt: skip
    x = layers.ReLU()(layers.BatchNormalization()(x))
    return keras.Model(inputs, dense(2)(layers.GlobalAveragePooling2D()(x)))


@drawn()
def lstm_stack(skip):
    x = inputs = keras.Input((None, 4))
    x = skip(x, *(layers.LSTM(4, return_sequences=True) for _ in range(2)))
    return keras.Model(inputs, dense(2)(layers.LSTM(4)(x)))


@drawn()
def both_directions_with_a_mask(skip):
    x = inputs = keras.Input((5,), dtype="int32")
    x = layers.Embedding(9, 4, mask_zero=True)(x)
    both = (layers.Bidirectional(layers.GRU(2, return_sequences=True)) for _ in range(2))
    return keras.Model(inputs, dense(2)(layers.LSTM(3)(skip(x, *both))))


def attention():
    layer = layers.MultiHeadAttention(2, 4)
    return lambda x: layer(x, x)


@drawn()
def transformer(skip):
    """Attention counts twice, so each skip spans attention or the two dense layers."""
    x = inputs = keras.Input((5, 8))
    for _ in range(2):
        x = skip(layers.LayerNormalization()(x), attention(), layers.LayerNormalization())
        x = skip(x, dense(16, "gelu"), dense(8, None), layers.LayerNormalization())
        x = layers.Reshape((5, 8))(x)
    return keras.Model(inputs, dense(2)(layers.GlobalAveragePooling1D()(x)))


@drawn()
def two_inputs(skip):
    pair = keras.Input((8,), name="a"), keras.Input((6, 6, 4), name="b")
    one = skip(pair[0], dense(), dense())
    other = layers.GlobalAveragePooling2D()(skip(pair[1], conv(), conv()))
    return keras.Model(pair, dense(2)(layers.Concatenate()([one, other])))


@drawn()
def shared_layers(skip):
    x = inputs = keras.Input((8,))
    first, second = dense(), dense()
    x = skip(skip(x, first, second), first, second)
    return keras.Model(inputs, dense(2)(x))


@drawn()
def mixed_precision(skip):
    keras.config.set_dtype_policy("mixed_float16")
    x = inputs = keras.Input((8,))
    x = skip(x, dense(), dense())
    model = keras.Model(inputs, layers.Dense(2, dtype="float32")(x))
    keras.config.set_dtype_policy("float32")
    return model


@drawn()
def residual_below(skip):
    """Blocks that have a skip are left alone, and so is the gate of squeeze and excitation."""
    x = inputs = keras.Input((8,))
    x = around(x, dense(), dense())
    x = layers.Multiply()([x, dense(8, "sigmoid")(dense(8)(x))])
    x = skip(layers.Rescaling(1.0)(x), dense(), dense())
    return keras.Model(inputs, dense(2)(x))


@drawn()
def wide_and_deep(skip):
    """A branch that is longer than one skip gets skips of its own."""
    inputs = keras.Input((8,))
    x = skip(skip(inputs, dense(), dense()), dense(), dense())
    return keras.Model(inputs, dense(2)(layers.Concatenate()([inputs, x])))


@drawn()
def operations(skip):
    x = inputs = keras.Input((8,))
    x = skip(x, dense(8, None), keras.ops.sin, dense(8, None))
    return keras.Model(inputs, dense(2)(keras.ops.sin(x)))


@drawn(layers="middle|late")
def some_layers(skip):
    x = inputs = keras.Input((8,))
    x = layers.Dense(8, name="early_2")(layers.Dense(8, name="early_1")(x))
    x = skip(x, layers.Dense(8, name="middle"), layers.Dense(8, name="late"))
    return keras.Model(inputs, dense(2)(x))


@drawn(scale=0.5)
def scaled(skip):
    x = inputs = keras.Input((8,))
    half = [layers.Rescaling(0.5)] if skip is around else []
    return keras.Model(inputs, dense(2)(skip(x, dense(), dense(), *half)))


@drawn(project="A")
def zero_channels(skip):
    x = inputs = keras.Input((6, 6, 2))
    if skip is in_a_row:
        x = conv(4)(conv(4, strides=2)(x))
    else:
        y = conv(4)(conv(4, strides=2)(x))
        zeros = layers.Rescaling(0.0)(x[:, ::2, ::2])
        x = layers.Add()([y, layers.Concatenate()([x[:, ::2, ::2], zeros])])
    return keras.Model(inputs, dense(2)(layers.GlobalAveragePooling2D()(x)))
