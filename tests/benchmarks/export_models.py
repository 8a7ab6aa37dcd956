"""The models of `export_matrix.py`, by name: functions that build them."""

import keras
from keras import layers

import keraskip


def chain(shape, *parts, dtype=None):
    return lambda: keras.Sequential([keras.Input(shape, dtype=dtype), *[part() for part in parts]])


def dense(units=3):
    return lambda: layers.Dense(units)


def tokens(*parts, masked=False):
    def embedding():
        return layers.Embedding(50, 8, mask_zero=masked)

    return chain((12,), embedding, *parts, dense(), dtype="int32")


def convolutions(*between):
    return chain(
        (16, 16, 3), lambda: layers.Conv2D(8, 3, padding="same"), *between,
        layers.GlobalAveragePooling2D, dense(),
    )  # fmt: skip


def unet():
    x = image = keras.Input((32, 32, 3))
    down = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    x = layers.Conv2D(16, 3, padding="same", activation="relu")(layers.MaxPooling2D()(down))
    x = layers.Concatenate()([layers.Conv2DTranspose(8, 2, 2)(x), down])
    return keras.Model(image, layers.Conv2D(2, 1, activation="softmax")(x))


def two_inputs():
    table, words = keras.Input((4,), name="table"), keras.Input((7,), dtype="int32", name="words")
    text = layers.GlobalAveragePooling1D()(layers.Embedding(20, 4)(words))
    return keras.Model([table, words], layers.Dense(2)(layers.Concatenate()([table, text])))


def dict_outputs():
    x = keras.Input((4,), name="x")
    return keras.Model({"x": x}, {"label": layers.Dense(3)(x), "box": layers.Dense(4)(x)})


def transformer():
    ids = keras.Input((12,), dtype="int32", name="ids")
    x = layers.Embedding(50, 16, mask_zero=True)(ids)
    for _ in range(2):
        x = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 8)(x, x))
        x = layers.LayerNormalization()(x + layers.Dense(16)(layers.Dense(32, "gelu")(x)))
    return keras.Model(ids, layers.Dense(50)(x))


def table():
    x = inputs = keras.Input((3,), dtype="int32", name="codes")
    return keras.Model(inputs, layers.Dense(1)(layers.Flatten()(layers.Embedding(9, 4)(x))))


def normalized():
    scale = layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[1.0, 2.0, 3.0])
    return keras.Sequential([keras.Input((3,)), scale, layers.Dense(2)])


def half():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        return convolutions(layers.BatchNormalization, layers.ReLU)()
    finally:
        keras.config.set_dtype_policy("float32")


def lora():
    model = chain((8,), dense(16), dense())()
    model.layers[0].enable_lora(2)
    return model


def masked_lstm():
    return keras.Sequential([keras.Input((7, 4)), layers.Masking(), layers.LSTM(3)])


def hub(name, **options):
    """A network of keras_hub, with two layers and random weights."""

    def made():
        import keras_hub

        return getattr(keras_hub.models, name)(
            vocabulary_size=100, num_layers=2, num_heads=2, hidden_dim=16, intermediate_dim=32,
            max_sequence_length=12,
        )  # fmt: skip

    return made


def named(name, **options):
    return lambda: keraskip.build(name, **options)


def application(name, **options):
    return lambda: getattr(keras.applications, name)(
        weights=None, input_shape=(64, 64, 3), classes=10, **options
    )


MODELS = {
    "plain20": named("plain20"),
    "resnet20": named("resnet20"),
    "preact_resnet20": named("preact_resnet20"),
    "densenet40_k12": named("densenet40_k12"),
    "memory-efficient DenseNet": named("densenet40_k12", memory_efficient=True),
    "resnet18": named("resnet18", input_shape=(64, 64, 3), classes=10),
    "MobileNetV3Small": application("MobileNetV3Small"),
    "EfficientNetB0": application("EfficientNetB0"),
    "ConvNeXtTiny": application("ConvNeXtTiny"),
    "Dense": chain((8,), dense(16), dense()),
    "LSTM": tokens(lambda: layers.LSTM(8)),
    "LSTM, unrolled": tokens(lambda: layers.LSTM(8, unroll=True)),
    "LSTM, masked": tokens(lambda: layers.LSTM(8), masked=True),
    "Masking of numbers": masked_lstm,
    "GRU": tokens(lambda: layers.GRU(8)),
    "Bidirectional": tokens(lambda: layers.Bidirectional(layers.LSTM(8))),
    "Conv1D, any length": chain(
        (None, 4), lambda: layers.Conv1D(8, 3, activation="gelu"), layers.GlobalMaxPooling1D
    ),
    "Conv3D": chain((4, 8, 8, 2), lambda: layers.Conv3D(4, 2), layers.GlobalAveragePooling3D),
    "U-Net": unet,
    "two inputs": two_inputs,
    "dict outputs": dict_outputs,
    "Transformer": transformer,
    "Embedding of a table": table,
    "Normalization": normalized,
    "LayerNormalization": convolutions(layers.LayerNormalization),
    "GroupNormalization": convolutions(lambda: layers.GroupNormalization(2)),
    "GroupNormalization, images of any size": chain(
        (None, None, 3),
        lambda: layers.Conv2D(8, 3),
        lambda: layers.GroupNormalization(2),
        layers.GlobalAveragePooling2D,
        dense(),
    ),
    "BatchNormalization": convolutions(layers.BatchNormalization, layers.ReLU),
    "UnitNormalization": convolutions(layers.UnitNormalization),
    "depthwise, separable": convolutions(
        lambda: layers.DepthwiseConv2D(3), lambda: layers.SeparableConv2D(8, 3)
    ),
    "upsampling, cropping": convolutions(layers.UpSampling2D, layers.Cropping2D),
    "mixed precision": half,
    "LoRA": lora,
    "BERT, two layers": hub("BertBackbone"),
    "GPT-2, two layers": hub("GPT2Backbone"),
}
