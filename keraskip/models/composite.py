"""The composite function of DenseNets, as a layer and as a function of its weights.

Source: Huang et al. 2017 (arXiv 1608.06993), section 3.
"""

from collections.abc import Callable
from typing import Any

from keras import layers, ops

from keraskip.models.channel_moments import axis_of
from keraskip.models.styled_layers import Initializer


class Composite(layers.Layer):
    """Batch normalisation, activation and convolution, a part of `RecomputedConvolutions`."""

    def __init__(
        self, filters: int, kernel_size: int, initializer: Initializer, activation: Callable,
        momentum: float, epsilon: float, data_format: str, **options: Any,
    ) -> None:  # fmt: skip
        # Without autocast neither moments nor variables are rounded to half precision.
        super().__init__(autocast=False, **options)
        self.activation = activation
        self.norm = layers.BatchNormalization(
            axis_of(data_format), momentum, epsilon, dtype=self.dtype_policy, name="norm"
        )
        self.conv = layers.Conv2D(
            filters,
            kernel_size,
            padding="same",
            data_format=data_format,
            use_bias=False,
            kernel_initializer=initializer,
            dtype=self.dtype_policy,
            name="conv",
        )

    def build(self, shape: tuple) -> None:
        """Makes the weights."""
        self.norm.build(shape)
        self.conv.build(shape)

    def compute_output_shape(self, shape: tuple) -> tuple:
        """The shape of the convolution's output."""
        return self.conv.compute_output_shape(shape)

    def call(self, x, training: bool | None = None):
        """The ordinary computation, which keeps everything for the backward pass."""
        return self.conv(self.activation(self.norm(x, training=training)))

    def with_values(self, x, moments, gamma, beta, kernel):
        """The same computation as a function of its arguments alone, moments and weights too."""
        mean, variance = ops.unstack(moments, 2)
        scale = gamma * ops.rsqrt(variance + self.norm.epsilon)
        shift = beta - mean * scale
        if self.norm.axis == 1:
            scale, shift = (ops.reshape(vector, (-1, 1, 1)) for vector in (scale, shift))
        x = self.activation(
            ops.cast(ops.cast(x, moments.dtype) * scale + shift, self.compute_dtype)
        )
        return self.conv.convolution_op(x, ops.cast(kernel, self.compute_dtype))

    def move_statistics(self, moments) -> None:
        """Updates the moving averages of batch normalisation with the moments of one batch."""
        averages = (self.norm.moving_mean, self.norm.moving_variance)
        of_batch = ops.unstack(ops.stop_gradient(moments), 2)
        for average, moment in zip(averages, of_batch, strict=True):
            change = ops.cast(moment, average.dtype) - average.value
            average.assign_add(change * (1 - self.norm.momentum))

    @property
    def values(self) -> tuple:
        """The weights as `with_values` takes them."""
        return self.norm.gamma.value, self.norm.beta.value, self.conv.kernel.value
