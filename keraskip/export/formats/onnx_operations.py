"""Operations of TensorFlow that tf2onnx does not know, written in operations of ONNX."""

from collections.abc import Callable
from typing import Any

import numpy as np

SIGN = np.iinfo("int32").min
# Types of numbers, as `onnx.TensorProto` counts them.
FLOAT, INT32 = 1, 6


def erfc(graph: Any, node: Any, name: str, arguments: Any) -> None:
    """`Erfc`, which GELU needs: `1 - erf(x)`."""
    (x,) = node.input
    erf = _added(graph, "Erf", [x])
    _replaced(graph, node, "Sub", [_constant(graph, np.float32(1)), erf])


def sign_bit(graph: Any, node: Any, name: str, arguments: Any) -> None:
    """`Bitcast` where only the sign is read, as in `keras.ops.argmax`, which orders both zeros.

    The sign of a number below zero is set; the sign of `-0.0` shows in `1 / x`, minus infinity. Any
    other use of the bits stays as it is, and is refused.
    """
    readers = {reader.type for reader in graph.find_output_consumers(node.output[0])}
    if readers != {"BitwiseAnd"}:
        return
    (x,) = node.input
    zero = _constant(graph, np.float32(0))
    reciprocal = _added(graph, "Reciprocal", [x])
    below = [_added(graph, "Less", [number, zero]) for number in (x, reciprocal)]
    is_set = _added(graph, "Or", below)
    signs = [_constant(graph, np.int32(value)) for value in (SIGN, 0)]
    _replaced(graph, node, "Where", [is_set, *signs])


def bucketize(graph: Any, node: Any, name: str, arguments: Any) -> None:
    """`Bucketize`, which `Discretization` needs: how many boundaries a number has reached."""
    boundaries = np.array(node.get_attr("boundaries").floats, np.float32)
    x = _added(graph, "Cast", [node.input[0]], to=FLOAT)
    # The boundaries become a further axis, the last one.
    column = _added(graph, "Unsqueeze", [x, _constant(graph, np.array([-1]))])
    reached = _added(graph, "GreaterOrEqual", [column, _constant(graph, boundaries)])
    numbers = _added(graph, "Cast", [reached], to=INT32)
    _replaced(graph, node, "ReduceSum", [numbers, _constant(graph, np.array([-1]))], keepdims=0)


def _added(graph: Any, operation: str, inputs: list[str], **attributes: int) -> str:
    output: str = graph.make_node(operation, inputs, attr=attributes).output[0]
    return output


def _replaced(graph: Any, node: Any, operation: str, inputs: list[str], **attributes: int) -> None:
    """Puts an operation in the place of a node."""
    (out,) = node.output
    shape, dtype = graph.get_shape(out), graph.get_dtype(out)
    graph.remove_node(node.name)
    graph.make_node(
        operation, inputs, attr=attributes, outputs=[out], shapes=[shape], dtypes=[dtype]
    )


def _constant(graph: Any, value: Any) -> str:
    from tf2onnx.utils import make_name

    output: str = graph.make_const(make_name("constant"), np.array(value)).output[0]
    return output


# For each operation a function, and its further arguments, as tf2onnx calls them.
HANDLERS: dict[str, tuple[Callable, list]] = {
    "Erfc": (erfc, []),
    "Bitcast": (sign_bit, []),
    "Bucketize": (bucketize, []),
}
