"""Images become what a network sees, by Pillow and by TensorFlow alike."""

import numpy as np
import pytest
from keras.applications import imagenet_utils
from PIL import Image, ImageOps

from keraskip import Preprocessing

RANDOM = np.random.default_rng(0)


def picture(height, width, channels=3):
    """A smooth image of 0 to 255."""
    rows, columns = np.indices((height, width))
    waves = [np.sin(rows / (3 + c)) + np.cos(columns / (4 + c)) for c in range(channels)]
    return np.clip(128 + 60 * np.stack(waves, axis=-1), 0, 255).astype("uint8")


@pytest.mark.parametrize("shape", [(40, 30), (31, 64), (32, 32), (8, 8), (9, 33)])
@pytest.mark.parametrize("size", [(32, 32), (16, 24)])
@pytest.mark.parametrize("fit", [{}, {"crop": 0.8, "interpolation": "bilinear"}], ids=str)
def test_pillow_and_tensorflow_agree(shape, size, fit):
    tf = pytest.importorskip("tensorflow")
    steps = Preprocessing((100, 110, 120), (50, 60, 70), "bgr", **fit)
    images = np.stack([picture(*shape)])
    expected = steps(images, size)
    assert expected.shape == (1, *size, 3)
    found = tf.function(lambda x: steps.in_graph(x, size))(images)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("shape", [(40, 30), (31, 64)])
def test_the_middle_is_what_training_on_folders_takes(shape):
    image = picture(*shape)
    expected = np.asarray(ImageOps.fit(Image.fromarray(image), (16, 16)), float)
    found = Preprocessing()(image[None], (16, 16))[0]
    # Pillow rounds to whole numbers, twice.
    np.testing.assert_allclose(found, expected, atol=1.5)


def test_images_are_fitted_as_torchvision_does():
    """Its steps, for sides that they divide: scale to 256, then keep 224 in the middle."""
    image = picture(320, 480)
    scaled = Image.fromarray(image).resize((384, 256), Image.Resampling.BILINEAR)
    expected = np.asarray(scaled.crop((80, 16, 80 + 224, 16 + 224)), float)
    steps = Preprocessing(crop=224 / 256, interpolation="bilinear")
    # Pillow rounds to whole numbers, once along each side.
    np.testing.assert_allclose(steps(image[None], (224, 224))[0], expected, atol=1.1)


@pytest.mark.parametrize("mode", ["caffe", "tf", "torch"])
def test_modes_of_keras(mode):
    images = RANDOM.integers(0, 256, (2, 8, 8, 3)).astype("float32")
    expected = imagenet_utils.preprocess_input(images.copy(), "channels_last", mode)
    found = Preprocessing.of_keras(mode)(images, (8, 8))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_images_of_any_size_keep_theirs():
    images = RANDOM.integers(0, 256, (2, 5, 7, 1))
    found = Preprocessing(mean=10, deviation=2)(images, (None, None))
    np.testing.assert_allclose(found, (images - 10) / 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mean": np.nan}, "mean must be finite"),
        ({"deviation": (1, 0, 1)}, "deviation must be above 0"),
        ({"channel_order": "rbg"}, "channel_order must be one of"),
        ({"crop": 0}, r"crop must lie in \(0, 1\]"),
        ({"interpolation": "cubic"}, "nearest: bicubic"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(ValueError, match=message):
        Preprocessing(**arguments)


@pytest.mark.parametrize("thing", ["resnet20", None, []])
def test_a_thing_that_is_no_model(thing):
    message = f"model must be a keras.Model. Received: {type(thing).__name__}"
    with pytest.raises(TypeError, match=message):
        Preprocessing.of_model(thing)


def test_channels_must_fit():
    with pytest.raises(ValueError, match="Received: 3 for 1 channels"):
        Preprocessing(mean=(1, 2, 3)).check_channels(1)
    with pytest.raises(ValueError, match="mode must be one of"):
        Preprocessing.of_keras("coffee")
