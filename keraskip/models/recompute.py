"""A layer that keeps little for the backward pass and computes the rest again.

Source: Pleiss et al. 2017 (arXiv 1707.06990), "Memory-Efficient Implementation of DenseNets".
"""

from typing import Any

import keras
from keras import layers, ops

from keraskip.models.blocks import Activation, Initializer


@keras.saving.register_keras_serializable(package="keraskip")
class RecomputedConvolution(layers.Layer):
    """Concatenation, batch normalisation, activation and convolution of a list of maps.

    Every layer of a DenseNet concatenates and normalises all maps before it, so that to keep
    the results for the backward pass takes memory quadratic in the depth. Here they are dropped
    and computed once more when their gradient is due.

    The weights are those of a `BatchNormalization` and a `Conv2D`, in this order, and so are the
    outputs and the moving statistics.

    Args:
        filters: number of maps that the convolution makes.
        kernel_size: height and width of its kernel; it keeps the size of the maps.
        activation: any Keras activation.
        momentum: of the moving statistics.
        epsilon: added to the variance.
        kernel_initializer: any Keras initializer.
        data_format: `"channels_last"` or `"channels_first"`, by default that of
            `keras.config.image_data_format()`.
        **options: those of every Keras layer, such as `name`.

    Example:

    >>> maps = [keras.Input((8, 8, 3)), keras.Input((8, 8, 2))]
    >>> RecomputedConvolution(4, 1)(maps).shape
    (None, 8, 8, 4)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        activation: Activation = "relu",
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        kernel_initializer: Initializer = "he_normal",
        data_format: str | None = None,
        **options: Any,
    ) -> None:
        # Variables keep their type: the statistics must not be computed in half precision.
        super().__init__(autocast=False, **options)
        data_format = data_format or keras.config.image_data_format()
        self.axis = 1 if data_format == "channels_first" else -1
        self.activation = keras.activations.get(activation)
        self.norm = layers.BatchNormalization(
            self.axis, momentum, epsilon, dtype=self.dtype_policy, name="norm"
        )
        self.conv = layers.Conv2D(
            filters,
            kernel_size,
            padding="same",
            data_format=data_format,
            use_bias=False,
            kernel_initializer=kernel_initializer,
            dtype=self.dtype_policy,
            name="conv",
        )

    def build(self, input_shape: list[tuple]) -> None:
        """Makes the weights."""
        joined = self._joined(input_shape)
        self.norm.build(joined)
        self.conv.build(joined)

    def compute_output_shape(self, input_shape: list[tuple]) -> tuple:
        """The shape of the convolution's output."""
        return self.conv.compute_output_shape(self._joined(input_shape))

    def call(self, inputs: list, training: bool | None = None):
        """Maps from the maps in the list."""
        if not (training and self.norm.trainable):
            x = self.norm(ops.concatenate(inputs, self.axis), training=False)
            return self.conv(self.activation(x))
        # Variables must come as arguments: what a recomputed function reaches for itself gets no
        # gradient on TensorFlow.
        weights = self.norm.gamma.value, self.norm.beta.value, self.conv.kernel.value
        outputs, mean, variance = keras.remat(self._normalized_convolution)(*weights, *inputs)
        # Outside, or the moving averages would move once more with the backward pass.
        for average, new in (
            (self.norm.moving_mean, mean),
            (self.norm.moving_variance, variance),
        ):
            momentum = self.norm.momentum
            average.assign(average * momentum + ops.stop_gradient(new) * (1 - momentum))
        return outputs

    def _normalized_convolution(self, gamma, beta, kernel, *maps):
        x = ops.cast(ops.concatenate(maps, self.axis), gamma.dtype)
        channels = self.axis % len(x.shape)
        axes = [axis for axis in range(len(x.shape)) if axis != channels]
        mean, variance = ops.moments(x, axes)
        x = ops.batch_normalization(
            x, mean, variance, channels, beta, gamma, epsilon=self.norm.epsilon
        )
        x = self.activation(ops.cast(x, self.compute_dtype))
        kernel = ops.cast(kernel, self.compute_dtype)
        x = ops.conv(x, kernel, padding="same", data_format=self.conv.data_format)
        return x, mean, variance

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {
            **super().get_config(),
            "filters": self.conv.filters,
            "kernel_size": self.conv.kernel_size[0],
            "activation": keras.activations.serialize(self.activation),
            "momentum": self.norm.momentum,
            "epsilon": self.norm.epsilon,
            "data_format": self.conv.data_format,
            "kernel_initializer": keras.initializers.serialize(self.conv.kernel_initializer),
        }

    def _joined(self, shapes: list[tuple]) -> tuple:
        joined = list(shapes[0])
        joined[self.axis] = sum(shape[self.axis] for shape in shapes)
        return tuple(joined)
