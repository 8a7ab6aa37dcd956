"""The costs of a call: multiply-accumulates and the size of its output, for one sample."""

import re
from collections.abc import Sequence
from math import prod
from typing import Any

from keras import layers

from keraskip.graph import Call, holds_kernel
from keraskip.models.recompute import RecomputedConvolutions

DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
SEPARABLE = (layers.SeparableConv1D, layers.SeparableConv2D)
TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
CONVOLUTIONS = (layers.Conv1D, layers.Conv2D, layers.Conv3D, *DEPTHWISE, *SEPARABLE, *TRANSPOSED)


def macs_of(call: Call) -> int | None:
    """Multiply-accumulates for one sample: convolutions and dense layers, 0 for all others.

    Zeros that padding adds count too. None for a layer with kernels that is neither.
    """
    layer = call.layer
    if isinstance(layer, RecomputedConvolutions):
        shapes = [composite.conv.kernel.shape for composite in layer.composites]
        return _elements(call.outputs) // shapes[-1][-1] * sum(map(prod, shapes))
    if isinstance(layer, TRANSPOSED):
        # The kernel's last axes are outputs, inputs: each input meets all the others.
        return _elements(call.inputs) * prod(layer.kernel.shape[:-1])
    if isinstance(layer, DEPTHWISE):
        return _elements(call.outputs) * prod(layer.kernel.shape[:-2])
    if isinstance(layer, SEPARABLE):
        positions = _elements(call.outputs) // layer.filters
        kernels = (layer.depthwise_kernel, layer.pointwise_kernel)
        return positions * sum(prod(kernel.shape) for kernel in kernels)
    if isinstance(layer, (*CONVOLUTIONS, layers.Dense)):
        return _elements(call.outputs) * prod(layer.kernel.shape[:-1])
    return None if holds_kernel(layer) else 0


def activation_bytes_of(call: Call) -> int:
    """Size of the output for one sample."""
    return sum(_elements([tensor]) * _bits(tensor.dtype) // 8 for tensor in call.outputs)


def _elements(tensors: Sequence[Any]) -> int:
    """How many numbers the tensors hold for one sample."""
    return sum(prod(tensor.shape[1:]) for tensor in tensors)


def _bits(dtype: str) -> int:
    """Bits of one number: `float8_e4m3fn` has 8, `bool` takes 8."""
    digits = re.search(r"\d+", dtype)
    return int(digits[0]) if digits else 8
