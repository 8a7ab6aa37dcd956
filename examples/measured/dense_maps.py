"""The weights with which each layer of a DenseNet reads the maps of the layers before."""

from itertools import pairwise

import keras
import numpy as np


def blocks(model: keras.Model) -> list[list[keras.Layer]]:
    """The convolutions of each dense block, in order."""
    found: dict[str, list[keras.Layer]] = {}
    for layer in model.layers:
        name = layer.name
        if name.startswith("block") and "_layer" in name and name.endswith("_conv1"):
            found.setdefault(name.partition("_")[0], []).append(layer)
    return [found[name] for name in sorted(found)]


def bounds(layer: keras.Layer, number: int, growth: int) -> list[int]:
    """The channels at which the sources of a layer begin: the block's input, then each layer."""
    first = layer.kernel.shape[2] - (number - 1) * growth
    return [0, *range(first, layer.kernel.shape[2] + 1, growth)]


def heat_maps(model: keras.Model, growth: int) -> list[list[list[float]]]:
    """Mean absolute weight from each source into each layer, `[block][layer][source]`."""
    result = []
    for block in blocks(model):
        rows = []
        for number, layer in enumerate(block, start=1):
            kernel = np.abs(keras.ops.convert_to_numpy(layer.kernel))
            edges = bounds(layer, number, growth)
            rows.append([float(kernel[:, :, low:high].mean()) for low, high in pairwise(edges)])
        result.append(rows)
    return result


def early_over_late(maps: list[list[list[float]]]) -> float:
    """In the last third of the layers: the weight on their first third of sources over the last."""
    logs = []
    for rows in maps:
        for sources in rows[-max(1, len(rows) // 3) :]:
            third = max(1, len(sources) // 3)
            logs.append(np.log(np.mean(sources[:third]) / np.mean(sources[-third:])))
    return float(np.exp(np.mean(logs)))


def input_over_others(rows: list[list[float]]) -> float:
    """The weight on the block's input over the one on the block's layers, mean over the layers."""
    return float(np.mean([sources[0] / np.mean(sources[1:]) for sources in rows[1:]]))


def cut_off(model: keras.Model, growth: int) -> None:
    """Sets weights to 0: from the first third of the sources, in the last third of the layers."""
    for block in blocks(model):
        count = max(1, len(block) // 3)
        for number, layer in list(enumerate(block, start=1))[-count:]:
            kernel = keras.ops.convert_to_numpy(layer.kernel).copy()
            edges = bounds(layer, number, growth)
            kernel[:, :, : edges[max(1, (len(edges) - 1) // 3)]] = 0
            layer.kernel.assign(kernel)
