"""The shape of one image, in the order of `keras.config.image_data_format()`."""

from typing import Any

import keras

from keraskip.checks import check_integer
from keraskip.models.styled_layers import channel_axis

ORDERS = {
    "channels_last": "(height, width, channels)",
    "channels_first": "(channels, height, width)",
}
# Grey, colour, and colour with transparency.
PICTURE_CHANNELS = (1, 3, 4)


def channel_index() -> int:
    """The index of the channels in the shape of one image."""
    return 0 if channel_axis() == 1 else -1


def check_shape(shape: Any) -> tuple:
    """The shape as a tuple. Height and width may be None, the channels may not."""
    if not isinstance(shape, list | tuple):
        raise TypeError(
            f"input_shape must be a tuple of three integers. Received: input_shape={shape!r}"
        )
    if len(shape) != 3 or shape[channel_index()] is None:
        raise ValueError(
            f"input_shape must be {ORDERS[keras.config.image_data_format()]}; "
            f"only height and width may be None. Received: input_shape={tuple(shape)}"
        )
    return tuple(
        None if side is None else check_integer(f"input_shape[{index}]", side, minimum=1)
        for index, side in enumerate(shape)
    )


def check_order(shape: tuple) -> None:
    """Refuses the shape of a picture in the other order of channels.

    Such a shape has the channels of a picture where an image has a side, a longer side in the
    middle, and more than a picture has in the place of the channels. For an image that is really
    as narrow there is `input_tensor`.
    """
    at_end = channel_index() == -1
    others = shape[1:] if at_end else shape[:-1]
    narrow, middle, channels = shape if at_end else shape[::-1]
    is_picture = narrow in PICTURE_CHANNELS and (middle is None or middle > narrow)
    if not is_picture or channels <= max(PICTURE_CHANNELS):
        return
    nearest = (*others, narrow) if at_end else (narrow, *others)
    order = keras.config.image_data_format()
    raise ValueError(
        f"input_shape must be {ORDERS[order]}, as keras.config.image_data_format() is {order!r}. "
        f"Received: input_shape={shape} (nearest: {nearest})"
    )
