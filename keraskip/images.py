"""Image files: read alike for data sets and for predictions, within limits. Loads no framework."""

import os
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from keraskip.files import check_file, first_words, shown

# Pillow's names of the formats of these files. It looks at the content, and would hand an EPS
# called `x.png` to Ghostscript, which runs programs.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
# Cameras of 61 megapixels make such images.
MOST_PIXELS = 2**26
MOST_BYTES = 2**29
# The entry of EXIF, and Pillow's name of the turn that each value asks for; `None` for none.
ORIENTATION = 0x0112
TURNS = (
    None, None, "FLIP_LEFT_RIGHT", "ROTATE_180", "FLIP_TOP_BOTTOM",
    "TRANSPOSE", "ROTATE_270", "TRANSVERSE", "ROTATE_90",
)  # fmt: skip
SWAPPING = TURNS[5:]
DEEP_GREY = {"I;16", "I;16B", "I;16L", "I;16N"}
GREY = {"1", "L", *DEEP_GREY}


def grey_and_size(file: str | os.PathLike) -> tuple[bool, tuple[int, int]]:
    """Whether an image is grey, and its width and height, from the header of its file.

    Raises:
        ValueError: for a file that `read_image` refuses by its header.
        FileNotFoundError: for a missing file.
    """
    return _opened(file, _header)


def read_image(file: str | os.PathLike, mode: str) -> Any:
    """An image of a file, as a Pillow image.

    Images of 16 bits, grey or of colours, keep the upper 8. An image is turned upright as its EXIF
    says. Of an animation, the first one is taken. Transparency is dropped unless `mode` has it.

    Args:
        file: a PNG, JPEG, BMP, GIF, WebP, TIFF or PPM, whatever its suffix. It may have
            `MOST_PIXELS` pixels (67 million) and `MOST_BYTES` bytes (512 MiB).
        mode: `"L"` for grey, `"RGB"` or `"RGBA"`.

    Raises:
        ValueError: for another file, one that is damaged, too large, no regular file, or of
            32 bits a channel.
        FileNotFoundError: for a missing file.

    Example:

    >>> read_image("keraskip/nowhere.png", "L")
    Traceback (most recent call last):
    FileNotFoundError: There is no file keraskip/nowhere.png.
    """
    return _opened(file, lambda image: _converted(image, mode))


def _opened(file: str | os.PathLike, use: Any) -> Any:
    """Has `use` read the image in a file, once its header is checked."""
    check_file(file)
    if (size := Path(file).stat().st_size) > MOST_BYTES:
        raise ValueError(f"{shown(file)} has {size:,} bytes; image files may have {MOST_BYTES:,}")
    try:
        with _pillow().open(file, formats=FORMATS) as image:
            _check(image)
            return use(image)
    # A damaged file makes Pillow fail with errors of any class.
    except Exception as error:
        raise ValueError(f"{shown(file)} cannot be read as an image: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """Why a file was not read, in our words where Pillow's do not help."""
    # The warning is one for whoever makes errors of warnings.
    bombs = (_pillow().DecompressionBombError, _pillow().DecompressionBombWarning)
    if isinstance(error, bombs):
        return f"it has too many pixels; between 1 and {MOST_PIXELS:,} are read"
    known = ", ".join(FORMATS)
    return f"it is none of {known}" if "cannot identify" in str(error) else first_words(error)


@cache
def _pillow() -> Any:
    from PIL import Image

    # Such as on broken EXIF, or on more pixels than Pillow's limit, which is above ours.
    warnings.filterwarnings("ignore", module=r"PIL\.", append=True)
    return Image


def _check(image: Any) -> None:
    """ValueError for a header of an image that would not be read right."""
    width, height = image.size
    if not 0 < width * height <= MOST_PIXELS:
        raise ValueError(
            f"it has {width:,} x {height:,} pixels; between 1 and {MOST_PIXELS:,} are read"
        )
    if image.mode[0] in "IF" and not _is_deep_grey(image):
        raise ValueError(
            f"images must have 8 or 16 bits a channel; others can come as npz:PATH (it has mode "
            f"{image.mode})"
        )


def _header(image: Any) -> tuple[bool, tuple[int, int]]:
    width, height = image.size
    is_grey = image.mode in GREY or _is_deep_grey(image)
    return is_grey, (height, width) if _turn(image) in SWAPPING else (width, height)


def _is_deep_grey(image: Any) -> bool:
    """Whether this is a grey image of 16 bits; Pillow keeps one of a PGM in 32."""
    return image.mode in DEEP_GREY or (image.mode == "I" and image.format == "PPM")


def _turn(image: Any) -> str | None:
    """The turn that makes an image upright; Pillow itself makes it for TIFF."""
    try:
        number = 1 if image.format == "TIFF" else image.getexif().get(ORIENTATION, 1)
        return TURNS[number]
    # Broken EXIF; the image itself may be whole.
    except Exception:
        return None


def _converted(image: Any, mode: str) -> Any:
    Image, turn = _pillow(), _turn(image)  # noqa: N806
    if _is_deep_grey(image):
        image = Image.fromarray((np.asarray(image) >> 8).astype("uint8"))
    elif image.mode == "P" and "transparency" in image.info:
        # Pillow asks for this step.
        image = image.convert("RGBA")
    image = image.convert(mode)
    return image if turn is None else image.transpose(Image.Transpose[turn])
