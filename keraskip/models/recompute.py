"""A layer that keeps little for the backward pass and computes the rest again.

Source: Pleiss et al. 2017 (arXiv 1707.06990), "Memory-Efficient Implementation of DenseNets",
section 3. Here the statistics of batch normalisation are not recomputed (`ChannelMoments`).
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from keraskip.models.channel_moments import axis_of, channel_moments, moments_of
from keraskip.models.composite import Composite
from keraskip.models.remat import recomputed
from keraskip.models.styled_layers import Activation, Initializer


@keras.saving.register_keras_serializable(package="keraskip")
class RecomputedConvolutions(layers.Layer):
    """Concatenation of a list of maps, then one or several composite functions.

    A composite function is batch normalisation, activation and convolution (Huang et al. 2017,
    section 3); a layer of DenseNet-BC has two. Every layer of a DenseNet concatenates and
    normalises all maps before it. Keeping these results for the backward pass takes memory
    quadratic in the depth. This layer drops all but the last result and computes them once more
    when the gradient is due.

    Weights, outputs and moving statistics are the same as with `BatchNormalization` and `Conv2D`
    in turn.

    Args:
        filters: number of maps that each convolution makes.
        kernel_sizes: height and width of each kernel. The maps keep their size.
        kernel_initializers: any Keras initializer for each kernel, by default He's normal.
        activation: any Keras activation.
        momentum: momentum of the moving statistics.
        epsilon: number added to the variance.
        data_format: `"channels_last"` or `"channels_first"`, by default that of
            `keras.config.image_data_format()`.
        **options: options of every Keras layer, such as `name`.

    Call arguments:
        maps: list of maps of one size.
        moments: `ChannelMoments` of the maps in the same order, to share among layers that read
            the same maps. By default the layer computes them.

    Example:

    >>> maps = [keras.Input((8, 8, 3)), keras.Input((8, 8, 2))]
    >>> RecomputedConvolutions([16, 4], [1, 3])(maps).shape
    (None, 8, 8, 4)
    """

    def __init__(
        self,
        filters: Sequence[int],
        kernel_sizes: Sequence[int],
        kernel_initializers: Sequence[Initializer] | None = None,
        activation: Activation = "relu",
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        data_format: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(autocast=False, **options)
        self.data_format = data_format or keras.config.image_data_format()
        self.activation = keras.activations.get(activation)
        self.momentum, self.epsilon = momentum, epsilon
        initializers = kernel_initializers or ["he_normal"] * len(filters)
        self.composites = [
            Composite(
                *convolution, self.activation, momentum, epsilon, self.data_format,
                dtype=self.dtype_policy, name=f"composite{index}",
            )
            for index, convolution in enumerate(
                zip(filters, kernel_sizes, initializers, strict=True), 1
            )
        ]  # fmt: skip

    @property
    def layers_in_a_row(self) -> list[layers.Layer]:
        """The layers that hold the weights, in the order of the computation."""
        return [
            layer for composite in self.composites for layer in (composite.norm, composite.conv)
        ]

    @property
    def chain(self) -> list[layers.Layer]:
        """The same layers under the name that saved files have for them.

        Keras saves a layer below the first attribute, by the alphabet, that leads to it.
        """
        return self.layers_in_a_row

    def build(self, maps_shape: list[tuple], moments_shape: tuple | None = None) -> None:
        """Makes the weights."""
        shape = self._joined(maps_shape)
        for composite in self.composites:
            composite.build(shape)
            shape = composite.compute_output_shape(shape)

    def compute_output_shape(
        self, maps_shape: list[tuple], moments_shape: tuple | None = None
    ) -> tuple:
        """The shape of the last convolution's output."""
        shape = self._joined(maps_shape)
        for composite in self.composites:
            shape = composite.compute_output_shape(shape)
        return shape

    def call(self, maps: list, moments=None, training: bool | None = None):
        """The last convolution's output."""
        axis = axis_of(self.data_format)
        if not (training and all(composite.norm.trainable for composite in self.composites)):
            x = ops.concatenate(maps, axis)
            for composite in self.composites:
                x = composite(x, training=training)
            return x
        if moments is None:
            moments = ops.concatenate([moments_of(x, axis, training) for x in maps], axis=1)
        # A recomputed function passes gradients to its arguments only, so weights are arguments.
        weights = [value for composite in self.composites for value in composite.values]
        x, *later = recomputed(self._convolutions)(moments, *weights, *maps)
        for composite, batch_moments in zip(self.composites, [moments, *later], strict=True):
            composite.move_statistics(batch_moments)
        return x

    def _convolutions(self, moments, *weights_and_maps):
        """The output, then the moments of all normalisations but the first."""
        rest = list(weights_and_maps)
        weights = [[rest.pop(0) for _ in range(3)] for _ in self.composites]
        axis = axis_of(self.data_format)
        x, all_moments = ops.concatenate(rest, axis), [moments]
        for composite, values in zip(self.composites, weights, strict=True):
            if composite is not self.composites[0]:
                all_moments.append(channel_moments(x, axis))
            x = composite.with_values(x, all_moments[-1], *values)
        return x, *map(ops.stop_gradient, all_moments[1:])

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        convs = [composite.conv for composite in self.composites]
        return {
            **super().get_config(),
            "filters": [conv.filters for conv in convs],
            "kernel_sizes": [conv.kernel_size[0] for conv in convs],
            "kernel_initializers": [
                keras.initializers.serialize(conv.kernel_initializer) for conv in convs
            ],
            "activation": keras.activations.serialize(self.activation),
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "data_format": self.data_format,
        }

    def _joined(self, shapes: list[tuple]) -> tuple:
        axis = axis_of(self.data_format)
        joined = list(shapes[0])
        joined[axis] = sum(shape[axis] for shape in shapes)
        return tuple(joined)
