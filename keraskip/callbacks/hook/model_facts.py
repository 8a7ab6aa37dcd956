"""Facts that a recorder asks a model for, and the process that trains it."""

import math
from collections.abc import Iterator, Sequence

import keras
import numpy as np


def all_frozen(model: keras.Model) -> bool:
    """Whether no weight of a model trains, as far as that is known before its first step."""
    return not model.trainable_weights and (bool(model.weights) or not model.trainable)


def norm_of(variables: Sequence[keras.Variable]) -> float | None:
    """The norm of all weights together, or None where this process has only a part of them."""
    try:
        arrays = [keras.ops.convert_to_numpy(variable.value) for variable in variables]
        return math.sqrt(sum(float(np.sum(np.square(array.astype(float)))) for array in arrays))
    except Exception:  # each backend refuses in its own way
        return None


def is_first_process() -> bool:
    """Whether this is the first of the processes that train one model together."""
    if keras.backend.backend() != "jax":
        return True
    import jax

    return jax.process_index() == 0


def is_only_process() -> bool:
    """Whether no other process trains the model, which would wait for this one if it stopped."""
    if keras.backend.backend() != "jax":
        return True
    import jax

    return jax.process_count() == 1


def moving_averages(model: keras.Model) -> Iterator[tuple[str, np.ndarray]]:
    """The moving averages of batch normalisation, each with its path."""
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization) and layer.built:
            for variable in layer.non_trainable_variables:
                yield variable.path, keras.ops.convert_to_numpy(variable.value)
