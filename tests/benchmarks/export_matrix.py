"""Exports many kinds of models in every format, and prints what came of each.

    python tests/benchmarks/export_matrix.py [--models LSTM U-Net ...]

An artefact that is written has passed the gate: its own runtime gives what the model gives. Fails
if more than a tenth of all exports is refused.
"""

import argparse
import os
import sys
import tempfile
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers

import keraskip

FORMATS = {
    "SavedModel": keraskip.export_savedmodel,
    "ONNX": keraskip.export_onnx,
    "LiteRT": keraskip.export_litert,
}
MOST_REFUSED = 0.1


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
    "UnitNormalization": convolutions(layers.UnitNormalization),
    "depthwise, separable": convolutions(
        lambda: layers.DepthwiseConv2D(3), lambda: layers.SeparableConv2D(8, 3)
    ),
    "upsampling, cropping": convolutions(layers.UpSampling2D, layers.Cropping2D),
    "mixed precision": half,
    "LoRA": lora,
}


def with_statistics(model):
    """The moving statistics as after training, so that nothing warns or explodes."""
    random = np.random.default_rng(0)
    for layer in model._flatten_layers():
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([random.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    return model


def outcome(export, model):
    """The largest difference to the model, or the sentence why it is not written."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            path = export(model, Path(folder) / "out")
        except keraskip.ExportError as error:
            return None, str(error).rpartition("cannot be written as ")[-1]
        return max(keraskip.Artefact(path).card["parity"].values()), ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    arguments = parser.parse_args()
    # LiteRT's converter and interpreter say so of each other.
    warnings.simplefilter("ignore")
    refused = []
    print(f"| model | {' | '.join(FORMATS)} |\n|---|{'---|' * len(FORMATS)}")
    for name in arguments.models:
        keras.utils.set_random_seed(0)
        model, cells = with_statistics(MODELS[name]()), []
        for format, export in FORMATS.items():
            difference, reason = outcome(export, model)
            cells.append("no" if difference is None else f"{difference:.0e}")
            if difference is None:
                refused.append(f"{name}, {format}: {reason}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
        keras.backend.clear_session()
    exports = len(arguments.models) * len(FORMATS)
    print(f"\n{exports - len(refused)} of {exports} written and equal.", *refused, sep="\n- ")
    return len(refused) > MOST_REFUSED * exports


if __name__ == "__main__":
    sys.exit(main())
