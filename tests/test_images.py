"""Image files are read alike for data sets and predictions, and refused before they are decoded."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from keraskip import Preprocessing
from keraskip.data import load_data
from keraskip.export.artefact.pictures import read_picture
from keraskip.images import grey_and_size, read_image

RANDOM = np.random.default_rng(0)
COLOURS = RANDOM.integers(0, 256, (8, 6, 3)).astype("uint8")
DEEP = RANDOM.integers(0, 2**16, (8, 6)).astype("uint16")


def saved(path, image, suffix="png", **options):
    file = path / f"image.{suffix}"
    image.save(file, **options)
    return file


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_of_16_bits_the_upper_8_are_kept(tmp_path, suffix):
    """As `tf.io.decode_image` does, and Pillow for colours."""
    file = saved(tmp_path, Image.fromarray(DEEP), suffix)
    assert grey_and_size(file) == (True, (6, 8))
    np.testing.assert_array_equal(np.asarray(read_image(file, "L")), DEEP >> 8)
    np.testing.assert_array_equal(np.asarray(read_image(file, "RGB"))[..., 2], DEEP >> 8)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_stands_upright(tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = saved(tmp_path, Image.fromarray(COLOURS), suffix, exif=exif)
    with Image.open(file) as image:
        upright = ImageOps.exif_transpose(image)
    assert grey_and_size(file) == (False, upright.size)
    np.testing.assert_array_equal(np.asarray(read_image(file, "RGB")), np.asarray(upright))


MANY = {
    "palette": (Image.fromarray(COLOURS).quantize(16), "png"),
    "see-through": (Image.fromarray(COLOURS[..., 0]).convert("P"), "png"),
    "animated": (Image.fromarray(COLOURS), "gif"),
    "cmyk": (Image.fromarray(COLOURS).convert("CMYK"), "jpg"),
    "alpha": (Image.fromarray(np.dstack([COLOURS, COLOURS[..., :1]])), "png"),
    "black and white": (Image.fromarray(COLOURS[..., 0] > 128), "png"),
    "deep": (Image.fromarray(DEEP), "png"),
}


@pytest.mark.parametrize("kind", MANY)
def test_a_data_set_and_a_prediction_see_the_same(tmp_path, kind):
    image, suffix = MANY[kind]
    options = {"transparency": bytes(range(256))} if kind == "see-through" else {}
    if kind == "animated":
        options = {"save_all": True, "append_images": [Image.fromarray(255 - COLOURS)]}
    for number in range(20):
        (tmp_path / str(number % 2)).mkdir(exist_ok=True)
        image.save(tmp_path / str(number % 2) / f"{number}.{suffix}", **options)
    data = load_data(f"folder:{tmp_path}")
    picture = read_picture(tmp_path / "0" / f"0.{suffix}", data.input_shape, Preprocessing())
    np.testing.assert_allclose(data.train.images[:1], picture, atol=0.5)


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (EPS, "none of PNG, JPEG"),
        (b"", "none of PNG, JPEG"),
        (b"P5 16000 16000 255\n", "too many pixels; between 1 and 67,108,864"),
        (b"P5 9000 9000 255\n", "9,000 x 9,000 pixels; between 1 and 67,108,864"),
        (b"P5 0 4 255\n", "none of PNG, JPEG|pixels"),
        (b"P5 4 4 255\n123", "truncated"),
    ],
)
def test_files_that_are_refused(tmp_path, content, message):
    file = tmp_path / "image.png"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=message) as refused:
        read_image(file, "L")
    assert str(file) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_header_of_a_camera_of_61_megapixels_is_read(tmp_path):
    (tmp_path / "a.pgm").write_bytes(b"P5 9504 6336 255\n")
    assert grey_and_size(tmp_path / "a.pgm") == (True, (9504, 6336))


def test_broken_exif_does_not_matter(tmp_path):
    written = io.BytesIO()
    Image.fromarray(COLOURS).save(written, "png", exif=b"Exif\0\0MM\0*\0\0\xff\xff\xff\xff")
    (tmp_path / "a.png").write_bytes(written.getvalue())
    np.testing.assert_array_equal(np.asarray(read_image(tmp_path / "a.png", "RGB")), COLOURS)
