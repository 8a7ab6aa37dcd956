"""How much of the signals of a network is kept, forwards and backwards."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers

from keraskip.runs import Run
from measured.networks import batch
from measured.training import kernels, rms

SAMPLES = 256


def profile(run: Run) -> list[float]:
    """The gradient of each convolution kernel, root mean square, median over all steps."""
    return [float(value) for value in np.median(rms(run)[:, kernels(run)], axis=0)]


def share_of_first(heights: Sequence[float]) -> float:
    """The gradient in the first third of the layers over the last third, as geometric means."""
    logs, third = np.log(heights), len(heights) // 3
    return float(np.exp(logs[:third].mean() - logs[-third:].mean()))


def least_spread(model: keras.Model) -> float:
    """The smallest spread behind a batch normalisation.

    The spread is a channel's standard deviation over images and pixels together, mean over the
    channels. Batch normalisation makes it 1 in a new network.
    """
    return min(_spread(output) for output in _outputs(model, layers.BatchNormalization))


def least_difference(model: keras.Model) -> float:
    """The smallest share of the spread behind an activation that lies between images.

    It is the standard deviation of a pixel over the images, mean over pixels and channels, over
    the spread of images and pixels together: 0 where all images look the same.
    """
    activated = _outputs(model, layers.Activation)
    return min(float(output.std(axis=0).mean()) / _spread(output) for output in activated)


def _spread(output: np.ndarray) -> float:
    return float(output.std(axis=(0, 1, 2)).mean())


def _outputs(model: keras.Model, kind: type[layers.Layer]) -> list[np.ndarray]:
    """The outputs of all layers of a kind on training images, with the batch's own statistics."""
    wanted = [layer.output for layer in model.layers if isinstance(layer, kind)]
    looking = keras.Model(model.input, wanted)
    # A call in training mode moves the stored statistics, which are nobody's business here.
    before = model.get_weights()
    found = looking(batch(SAMPLES)[0], training=True)
    model.set_weights(before)
    return [keras.ops.convert_to_numpy(output) for output in found]
