"""Folds batch normalisation, in inference a scale and a shift, into convolutions."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers

from keraskip.export.network.rebuild import for_inference, rebuild
from keraskip.graph import Call, uses
from keraskip.models.copies import copied
from keraskip.models.costs import DEPTHWISE, TRANSPOSED
from keraskip.models.origin import hand_on_origin

PLAIN = (layers.Conv1D, layers.Conv2D, layers.Conv3D)
# By class and not by inheritance: a subclass may compute something else.
BEFORE = {*PLAIN, *DEPTHWISE, *TRANSPOSED, layers.Dense}
AFTER = {*PLAIN, layers.Dense}


class Affine(NamedTuple):
    """Batch normalisation in inference: `scale * x + shift` for each channel."""

    scale: np.ndarray
    shift: np.ndarray


def fold_batch_norm(model: keras.Model) -> keras.Model:
    """A model for inference with the same outputs and less batch normalisation.

    A batch normalisation right after a convolution (also a transposed or depthwise one) or a dense
    layer becomes part of that layer. A batch normalisation right before convolutions or dense
    layers becomes part of them where that is exact: if they pad no zeros, because the shift would
    have to reach the zeros, too. All others stay, such as in pre-activation networks the ones that
    follow an addition.

    Args:
        model: a functional model, or a Sequential one that knows its input shape. It is not
            changed; models nested in it are taken apart in the result.

    Returns:
        A functional model with its own weights, or `model` itself if there is nothing to fold. It
        is not meant to be trained further.

    Raises:
        TypeError: for a model without a graph.
        ValueError: for a layer that cannot be copied from its configuration.

    Example:

    >>> from keraskip import build_resnet
    >>> model = build_resnet(8)
    >>> sum("norm" in layer.name for layer in fold_batch_norm(model).layers)
    0
    """
    new = folded(for_inference(model))
    hand_on_origin(model, new)
    return new


def folded(model: keras.Model) -> keras.Model:
    """A copy of a model of ordinary layers; the model itself if there is nothing to fold."""
    calls, used = uses(model)
    into = _plan(calls, used)
    if not into:
        return model
    takers = set[int]().union(*into.values())

    def replace(index: int, layer: Any, name: str) -> Callable | None:
        if index in into:
            return _first
        if index not in takers:
            return None
        return lambda *args, **options: _taking_in(
            calls, into, index, name, _first(*args, **options)
        )

    return rebuild(model, replace)


def _first(*args: Any, **options: Any) -> Any:
    """The first argument, positional or by keyword."""
    return [*args, *options.values()][0]


def _plan(calls: Sequence[Call], used: Counter[int]) -> dict[int, list[int]]:
    """The calls that each call of a batch normalisation is folded into, all by their index."""
    made_by = {id(tensor): index for index, call in enumerate(calls) for tensor in call.outputs}
    users: dict[int, list[int]] = defaultdict(list)
    for index, call in enumerate(calls):
        for tensor in call.inputs:
            users[id(tensor)].append(index)
    times = Counter(id(call.layer) for call in calls)
    into: dict[int, list[int]] = {}
    for index, call in enumerate(calls):
        usual = type(call.layer) is layers.BatchNormalization and not call.training
        if not usual or times[id(call.layer)] > 1:
            continue
        before = made_by[id(call.inputs[0])]
        after = users[id(call.outputs[0])]
        if used[id(call.inputs[0])] == 1 and _takes_from_behind(calls[before], call, times):
            into[index] = [before]
        elif len(after) == used[id(call.outputs[0])] and all(
            _takes_from_ahead(calls[user], call, times) for user in after
        ):
            into[index] = after
    return into


def _takes_from_behind(call: Call, norm: Call, times: Counter[int]) -> bool:
    layer = call.layer
    return (
        type(layer) in BEFORE
        and _is_simple(layer, times)
        and layer.activation is keras.activations.linear
        and _is_on_channels(layer, norm)
    )


def _takes_from_ahead(call: Call, norm: Call, times: Counter[int]) -> bool:
    layer = call.layer
    unpadded = type(layer) is layers.Dense or (
        getattr(layer, "groups", 0) == 1
        and (layer.padding == "valid" or set(layer.kernel_size) == {1})
    )
    return (
        type(layer) in AFTER
        and _is_simple(layer, times)
        and unpadded
        # Batch normalisation takes integers, convolutions do not.
        and keras.backend.is_float_dtype(norm.inputs[0].dtype)
        and _is_on_channels(layer, norm)
    )


def _is_simple(layer: Any, times: Counter[int]) -> bool:
    """Whether it is called once and has no further weights, such as LoRA's or quantised ones."""
    return times[id(layer)] == 1 and len(layer.weights) == 1 + layer.use_bias


def _is_on_channels(layer: Any, norm: Call) -> bool:
    """Whether the batch normalisation runs along the layer's channels."""
    axes = len(norm.outputs[0].shape)
    first = getattr(layer, "data_format", "channels_last") == "channels_first"
    return norm.layer.axis % axes == (1 if first else axes - 1)


def _taking_in(
    calls: Sequence[Call], into: dict[int, list[int]], index: int, name: str, x: Any
) -> Any:
    """The output of a layer that takes in its batch normalisations."""
    layer = calls[index].layer
    weights = [np.asarray(weight, "float64") for weight in layer.get_weights()]
    kernel, bias = weights if layer.use_bias else (weights[0], 0.0)
    for norm in (norm for norm, takers in into.items() if index in takers):
        affine = _affine(calls[norm].layer)
        if norm > index:
            kernel = kernel * _along_outputs(layer, kernel, affine.scale)
            bias = bias * affine.scale + affine.shift
        else:
            axes = tuple(range(kernel.ndim - 1))
            shifted = (kernel * affine.shift[:, None]).sum(axis=axes)
            kernel, bias = kernel * affine.scale[:, None], bias + shifted
    new = copied(layer, name, use_bias=True)
    y = new(x)
    new.set_weights([kernel, np.broadcast_to(bias, new.bias.shape)])
    return y


def _affine(norm: Any) -> Affine:
    statistics = {
        name: np.asarray(keras.ops.convert_to_numpy(getattr(norm, name)), "float64")
        for name in ("moving_mean", "moving_variance", "gamma", "beta")
        if getattr(norm, name, None) is not None
    }
    scale = statistics.get("gamma", 1.0) / np.sqrt(statistics["moving_variance"] + norm.epsilon)
    return Affine(scale, statistics.get("beta", 0.0) - statistics["moving_mean"] * scale)


def _along_outputs(layer: Any, kernel: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The scale of each output channel, shaped like the kernel's axes of output channels."""
    if isinstance(layer, TRANSPOSED):
        return scale[:, None]
    return scale.reshape(kernel.shape[-2:]) if isinstance(layer, DEPTHWISE) else scale
