"""Mean and variance of each channel, as a layer that others share.

Source: Pleiss et al. 2017 (arXiv 1707.06990), section 3. A map has the same statistics in every
layer that reads it, so they are computed and differentiated once.
"""

from functools import partial
from typing import Any

import keras
from keras import layers, ops

from keraskip.models.remat import recomputed


@keras.saving.register_keras_serializable(package="keraskip")
class ChannelMoments(layers.Layer):
    """Mean and variance of each channel over images and pixels.

    Args:
        data_format: `"channels_last"` or `"channels_first"`, by default that of
            `keras.config.image_data_format()`.
        **options: options of every Keras layer, such as `name`.

    Call arguments:
        maps: the maps `[batch, height, width, channels]`.
        before: moments of other maps, which the result begins with.

    Example:

    >>> maps = [keras.Input((8, 8, 3)), keras.Input((8, 8, 2))]
    >>> moments = ChannelMoments()(maps[0])
    >>> ChannelMoments()(maps[1], moments).shape
    (2, 5)
    """

    def __init__(self, data_format: str | None = None, **options: Any) -> None:
        # Without autocast the moments before are not rounded to half precision.
        super().__init__(autocast=False, **options)
        self.data_format = data_format or keras.config.image_data_format()

    def call(self, maps, before=None, training: bool | None = None):
        """The moments before, then the moments of the maps."""
        moments = moments_of(maps, axis_of(self.data_format), training)
        return moments if before is None else ops.concatenate([before, moments], axis=1)

    def compute_output_spec(
        self, maps, before=None, training: bool | None = None
    ) -> keras.KerasTensor:
        """Shape and type of the moments."""
        known = 0 if before is None else before.shape[1]
        return keras.KerasTensor(
            (2, known + maps.shape[axis_of(self.data_format)]), _precise(maps.dtype)
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {**super().get_config(), "data_format": self.data_format}


def moments_of(maps, axis: int, training: bool | None):
    """The moments [2, channels]; in training, the backward pass computes them again."""
    # Without a backward pass there is nothing to drop, and no custom gradient gets exported.
    compute = partial(channel_moments, axis=axis)
    return (recomputed(compute) if training else compute)(maps)


def channel_moments(maps, axis: int):
    """Mean and variance [2, channels] over all axes but this one."""
    maps = ops.cast(maps, _precise(maps.dtype))
    return ops.stack(ops.moments(maps, [other for other in range(4) if other != axis % 4]))


def axis_of(data_format: str) -> int:
    """The axis of the channels."""
    return 1 if data_format == "channels_first" else -1


def _precise(dtype: str) -> str:
    """The type that batch normalisation computes in."""
    return keras.backend.result_type(dtype, "float32")
