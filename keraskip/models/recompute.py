"""Layers that keep little for the backward pass and compute the rest again.

Source: Pleiss et al. 2017 (arXiv 1707.06990), "Memory-Efficient Implementation of DenseNets",
section 3. Here the statistics of batch normalisation are not recomputed: those of a map are the
same in every layer that reads it, so they are computed and differentiated once.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import layers, ops

from keraskip.models.blocks import Activation, Initializer


@keras.saving.register_keras_serializable(package="keraskip")
class ChannelMoments(layers.Layer):
    """Mean and variance of each channel over images and pixels.

    Args:
        data_format: `"channels_last"` or `"channels_first"`, by default that of
            `keras.config.image_data_format()`.
        **options: those of every Keras layer, such as `name`.

    Call arguments:
        maps: the maps `[batch, height, width, channels]`.
        before: moments of other maps, to put in front.

    Example:

    >>> maps = [keras.Input((8, 8, 3)), keras.Input((8, 8, 2))]
    >>> moments = ChannelMoments()(maps[0])
    >>> ChannelMoments()(maps[1], moments).shape
    (2, 5)
    """

    def __init__(self, data_format: str | None = None, **options: Any) -> None:
        # The moments before must not be rounded to half precision.
        super().__init__(autocast=False, **options)
        self.data_format = data_format or keras.config.image_data_format()

    def call(self, maps, before=None, training: bool | None = None):
        """The moments before, then those of the maps."""
        moments = _moments(maps, _axis(self.data_format), training)
        return moments if before is None else ops.concatenate([before, moments], axis=1)

    def compute_output_spec(
        self, maps, before=None, training: bool | None = None
    ) -> keras.KerasTensor:
        """Shape and type of the moments."""
        known = 0 if before is None else before.shape[1]
        return keras.KerasTensor(
            (2, known + maps.shape[_axis(self.data_format)]), _precise(maps.dtype)
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {**super().get_config(), "data_format": self.data_format}


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

    Call arguments:
        maps: list of maps of one size.
        moments: their `ChannelMoments` in this order, for maps that several layers read. By
            default the layer computes them.

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
        # Neither moments nor variables are to be rounded to half precision.
        super().__init__(autocast=False, **options)
        self.data_format = data_format or keras.config.image_data_format()
        self.activation = keras.activations.get(activation)
        self.norm = layers.BatchNormalization(
            _axis(self.data_format), momentum, epsilon, dtype=self.dtype_policy, name="norm"
        )
        self.conv = layers.Conv2D(
            filters,
            kernel_size,
            padding="same",
            data_format=self.data_format,
            use_bias=False,
            kernel_initializer=kernel_initializer,
            dtype=self.dtype_policy,
            name="conv",
        )

    def build(self, maps_shape: list[tuple], moments_shape: tuple | None = None) -> None:
        """Makes the weights."""
        joined = self._joined(maps_shape)
        self.norm.build(joined)
        self.conv.build(joined)

    def compute_output_shape(
        self, maps_shape: list[tuple], moments_shape: tuple | None = None
    ) -> tuple:
        """The shape of the convolution's output."""
        return self.conv.compute_output_shape(self._joined(maps_shape))

    def call(self, maps: list, moments=None, training: bool | None = None):
        """The convolution of the maps."""
        axis = _axis(self.data_format)
        if not (training and self.norm.trainable):
            x = self.norm(ops.concatenate(maps, axis), training=False)
            return self.conv(self.activation(x))
        if moments is None:
            moments = ops.concatenate([_moments(x, axis, training) for x in maps], axis=1)
        self._move_statistics(moments)
        # What a recomputed function reads by itself, not as an argument, gets no gradient.
        weights = self.norm.gamma.value, self.norm.beta.value, self.conv.kernel.value
        return recomputed(self._convolution)(moments, *weights, *maps)

    def _move_statistics(self, moments) -> None:
        momentum = self.norm.momentum
        averages = (self.norm.moving_mean, self.norm.moving_variance)
        for index, average in enumerate(averages):
            new = ops.cast(ops.stop_gradient(moments[index]), average.dtype)
            average.assign(average * momentum + new * (1 - momentum))

    def _convolution(self, moments, gamma, beta, kernel, *maps):
        axis = _axis(self.data_format)
        x = ops.cast(ops.concatenate(maps, axis), moments.dtype)
        mean, variance = moments[0], moments[1]
        x = ops.batch_normalization(x, mean, variance, axis, beta, gamma, self.norm.epsilon)
        x = self.activation(ops.cast(x, self.compute_dtype))
        return self.conv.convolution_op(x, ops.cast(kernel, self.compute_dtype))

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {
            **super().get_config(),
            "filters": self.conv.filters,
            "kernel_size": self.conv.kernel_size[0],
            "activation": keras.activations.serialize(self.activation),
            "momentum": self.norm.momentum,
            "epsilon": self.norm.epsilon,
            "data_format": self.data_format,
            "kernel_initializer": keras.initializers.serialize(self.conv.kernel_initializer),
        }

    def _joined(self, shapes: list[tuple]) -> tuple:
        axis = _axis(self.data_format)
        joined = list(shapes[0])
        joined[axis] = sum(shape[axis] for shape in shapes)
        return tuple(joined)


def recomputed(function: Callable) -> Callable:
    """A function of tensors whose intermediate values are not kept for the backward pass.

    `function` must have no effects besides its result, one tensor, since it runs twice.
    """
    if keras.backend.backend() == "jax":
        import jax

        if jax.default_backend() == "cpu":
            return _recomputed_on_cpu(function)
    return keras.remat(function)


def _recomputed_on_cpu(function: Callable) -> Callable:
    """The same for JAX on CPUs.

    XLA's compiler for them drops the barriers that `jax.checkpoint` sets, and merges the two
    computations into one. So the second is made to depend on the gradient.
    """
    import jax

    def forward(*tensors):
        return function(*tensors), tensors

    def backward(tensors, gradient):
        # 0 unless the gradient is lost anyway, but the compiler cannot know.
        zero = ops.where(ops.isnan(ops.ravel(gradient)[0]), float("nan"), 0.0)
        late = [tensor + ops.cast(zero, tensor.dtype) for tensor in tensors]
        return jax.vjp(function, *late)[1](gradient)

    result = jax.custom_vjp(function)
    result.defvjp(forward, backward)
    return result


def _moments(maps, axis: int, training: bool | None):
    def moments(maps):
        maps = ops.cast(maps, _precise(maps.dtype))
        axes = [other for other in range(4) if other != axis % 4]
        return ops.stack(ops.moments(maps, axes))

    # Without a backward pass there is nothing to drop, and no custom gradient to export.
    return (recomputed(moments) if training else moments)(maps)


def _axis(data_format: str) -> int:
    return 1 if data_format == "channels_first" else -1


def _precise(dtype: str) -> str:
    """The type in which batch normalisation computes."""
    return keras.backend.result_type(dtype, "float32")
