"""Sound files, for others to damage."""

import numpy as np
from PIL import Image


def make_samples(folder):
    """Writes a run, a model, its weights, an artefact, arrays and images into a folder."""
    import keras
    from serving import bright_or_dark
    from torch_files import write_safetensors

    from keraskip import GradientRecorder, build_resnet, export_savedmodel

    keras.utils.set_random_seed(0)
    model = build_resnet(**SMALL)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    images = np.random.default_rng(0).normal(size=(64, 8, 8, 1)).astype("float32")
    recorder = GradientRecorder(folder / "run", verbose=0)
    model.fit(images, np.arange(64) % 3, batch_size=4, epochs=2, verbose=0, callbacks=[recorder])
    model.save(folder / "model.keras")
    model.save_weights(folder / "model.weights.h5")
    export_savedmodel(model, folder / "artefact")
    bright_or_dark(folder / "served")
    tensors = {"a": images[:2], "b": images[:1, 0]}
    write_safetensors(folder / "some.safetensors", tensors)
    write_images(folder)
    return folder


# The arguments of a network that is built in a moment.
SMALL = {"stage_blocks": (1, 1), "filters": (2, 4), "input_shape": (8, 8, 1), "classes": 3}


def write_images(folder):
    """Writes arrays and images, without a framework."""
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (20, 8, 6, 3)).astype("uint8")
    np.savez(folder / "plain.npz", x_train=pixels, y_train=np.arange(20) % 3)
    np.savez_compressed(folder / "packed.npz", x_train=pixels, y_train=np.arange(20) % 3)
    deep = Image.fromarray(draw.integers(0, 2**16, (8, 6)).astype("uint16"))
    exif = Image.Exif()
    exif[0x0112] = 6
    for suffix in ("png", "jpg", "bmp", "gif", "webp", "tif", "ppm"):
        options = {"exif": exif} if suffix in ("png", "jpg", "tif", "webp") else {}
        Image.fromarray(pixels[0]).save(folder / f"colours.{suffix}", **options)
    for suffix in ("png", "tif", "pgm"):
        deep.save(folder / f"deep.{suffix}")
    Image.fromarray(pixels[0]).quantize(4).save(folder / "palette.png")
    Image.fromarray(pixels[0]).convert("CMYK").save(folder / "inks.jpg")
    frames = [Image.fromarray(each) for each in pixels[1:4]]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    Image.fromarray(pixels[0]).save(folder / "packed.tif", compression="tiff_lzw")
