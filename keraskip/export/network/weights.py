"""Checks of the weights before an export."""

import warnings
from typing import Any

import keras
import numpy as np


def check_weights(model: keras.Model) -> None:
    """ValueError for weights that are not finite; a warning if batch normalisation never learned.

    The moving averages of a new network have seen no images, so its predictions have nothing to
    do with its training.
    """
    for variable in model.weights:
        if not np.isfinite(keras.ops.convert_to_numpy(variable.value)).all():
            raise ValueError(
                "A model to export needs finite weights. "
                f"Received: NaN or infinity in {variable.path}"
            )
    untouched = [layer.name for layer in model._flatten_layers() if _is_untouched(layer)]
    if untouched:
        warnings.warn(
            f"The moving statistics of batch normalisation were never updated, in {untouched[0]!r} "
            f"and {len(untouched) - 1} other layers: train the model before you export it.",
            stacklevel=4,
        )


def _is_untouched(layer: Any) -> bool:
    if not isinstance(layer, keras.layers.BatchNormalization) or not layer.built:
        return False
    mean, variance = (
        keras.ops.convert_to_numpy(statistic.value)
        for statistic in (layer.moving_mean, layer.moving_variance)
    )
    return not mean.any() and bool((variance == 1).all())
