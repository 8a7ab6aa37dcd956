"""The changes that Keras' optimizers make to gradients before they use them."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from math import prod
from typing import Any

import keras
from keras import ops

# Elements: a smaller weight costs less as part of a matrix than by its rows.
LARGE_TABLE = 2**16


def loss_scale(optimizer: keras.optimizers.Optimizer) -> Any:
    """The factor that keeps the gradients at `apply` from underflow in float16, or None."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return ops.copy(optimizer.dynamic_scale) if optimizer.built else optimizer.initial_scale
    return optimizer.loss_scale_factor


def learning_rate(optimizer: keras.optimizers.Optimizer) -> Any:
    """The rate of the coming update; NaN for an optimizer that does not tell it."""
    try:
        return ops.copy(ops.cast(optimizer.learning_rate, "float32"))
    except (AttributeError, TypeError, ValueError):  # such as one of several optimizers
        return float("nan")


def dense(tensor: Any) -> Any:
    """A gradient or variable as one tensor; TensorFlow's own may be rows and their indices."""
    if keras.backend.backend() != "tensorflow":
        return tensor
    import tensorflow as tf

    return tf.convert_to_tensor(tensor)


def is_updating(optimizer: keras.optimizers.Optimizer) -> Any:
    """Whether the coming step changes weights instead of only accumulating gradients."""
    optimizer = _updating(optimizer)
    steps = optimizer.gradient_accumulation_steps
    # Not its public `iterations`, which count updates.
    return ops.equal(ops.mod(optimizer._iterations.value + 1, steps), 0) if steps else True


def accumulated(
    optimizer: keras.optimizers.Optimizer, grads: list, variables: Sequence[keras.Variable]
) -> list:
    """The mean of these gradients and those that wait in the optimizer."""
    optimizer = _updating(optimizer)
    steps = optimizer.gradient_accumulation_steps
    if not steps:
        return grads
    waiting = [
        optimizer._accumulated_gradients[optimizer._get_variable_index(variable)].value
        for variable in variables
    ]
    return [(grad + old) / steps for grad, old in zip(grads, waiting, strict=True)]


def clipped(optimizer: keras.optimizers.Optimizer, grads: list) -> list:
    """The gradients after the optimizer's own clipping; the same list if it does none."""
    with _kept_apart(optimizer):
        return _updating(optimizer)._clip_gradients(grads)


def aside(optimizer: keras.optimizers.Optimizer, grads: list) -> list:
    """Copies of the gradients that TensorFlow's graph optimizer leaves alone.

    It may reorder a product that has one consumer, `rate * (a * b)` to `(rate * a) * b`, which
    changes the last digits. So the recorder reads a product of its own.
    """
    if keras.backend.backend() != "tensorflow":
        return grads
    with _kept_apart(optimizer):
        return [_product_again(grad) for grad in grads]


def _kept_apart(optimizer: keras.optimizers.Optimizer) -> AbstractContextManager:
    """On TensorFlow, keeps what is computed from being merged with what the optimizer computes."""
    if keras.backend.backend() != "tensorflow":
        return nullcontext()
    import tensorflow as tf

    return tf.control_dependencies([tf.convert_to_tensor(optimizer.iterations)])


def _is_product(tensor: Any) -> bool:
    """Whether a multiplication in TensorFlow's graph makes a tensor."""
    return _maker(tensor).type == "Mul"


def _maker(tensor: Any) -> Any:
    """The operation that made a tensor; operations that only pass it on are skipped."""
    while tensor.op.type == "Identity":
        tensor = tensor.op.inputs[0]
    return tensor.op


def _product_again(tensor: Any) -> Any:
    import tensorflow as tf

    if is_sparse(tensor):
        values = _product_again(tensor.values)
        return tf.IndexedSlices(values, tensor.indices, tensor.dense_shape)
    if not tf.is_symbolic_tensor(tensor) or not _is_product(tensor):
        return tensor
    first, second = _maker(tensor).inputs
    return tf.raw_ops.Mul(x=first, y=second)


def changes_rows_only(optimizer: keras.optimizers.Optimizer, variable: keras.Variable) -> bool:
    """Whether a step with a sparse gradient leaves all other rows of a weight as they are.

    Keras' plain SGD hands the rows to `scatter_sub`. Momentum and weight decay change the whole
    weight, as all other optimizers do or may do. A step compiled by XLA is measured whole.
    """
    import tensorflow as tf

    optimizer = _updating(optimizer)
    return (
        type(optimizer) is keras.optimizers.SGD
        and not (optimizer.momentum or optimizer.use_ema or optimizer.gradient_accumulation_steps)
        and optimizer.weight_decay is None
        and variable.constraint is None
        and variable.dtype == "float32"
        and len(variable.shape) == 2
        and prod(variable.shape) >= LARGE_TABLE
        and tf.distribute.get_strategy().num_replicas_in_sync == 1
        and not in_xla()
    )


def in_xla() -> bool:
    """Whether XLA compiles what TensorFlow traces now."""
    import tensorflow as tf
    from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext

    return GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())


def is_sparse(gradient: Any) -> bool:
    """Whether a gradient is rows and their indices."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return isinstance(gradient, tf.IndexedSlices)


def summed(gradient: Any) -> Any:
    """A sparse gradient with each row once, in the order of their indices.

    Rows of zeros, with an index that no weight has, fill it up to the number of rows it had.
    """
    import tensorflow as tf

    indices = tf.cast(gradient.indices, "int32")
    order = tf.argsort(indices, stable=True)
    indices = tf.gather(indices, order)
    begins = tf.not_equal(indices, tf.concat([[-1], indices[:-1]], 0))
    number = tf.cumsum(tf.cast(begins, "int32")) - 1
    length = tf.size(indices)
    values = tf.gather(gradient.values, order)
    values = tf.math.unsorted_segment_sum(values, number, length)
    # The minimum of nothing is the largest integer.
    rows = tf.math.unsorted_segment_min(indices, number, length)
    return tf.IndexedSlices(values, rows, gradient.dense_shape)


def of_whole_batch(grads: list, by_rows: Sequence[bool]) -> list:
    """The gradients as whole tensors, summed over the replicas of a `tf.distribute` strategy.

    Args:
        grads: the gradients.
        by_rows: which of them stay sparse, then with each row once.
    """
    grads = [
        summed(grad) if stays else dense(grad) for grad, stays in zip(grads, by_rows, strict=True)
    ]
    if keras.backend.backend() != "tensorflow":
        return grads
    import tensorflow as tf

    if tf.distribute.get_strategy().num_replicas_in_sync == 1 or not grads:
        return grads
    replica = tf.distribute.get_replica_context()
    return replica.all_reduce(tf.distribute.ReduceOp.SUM, grads)


def indices_by_row(
    row_of: Mapping[int, int], variables: Sequence[keras.Variable], grads: Mapping[int, Any]
) -> dict[int, int]:
    """For each recorded weight that has a gradient, by its row, its index in the optimizer.

    Args:
        row_of: the rows by the `id` of the weight.
        variables: the optimizer's.
        grads: the gradients by the index of their variable.
    """
    indices = {row_of[id(variables[i])]: i for i in grads if id(variables[i]) in row_of}
    return dict(sorted(indices.items()))


def _updating(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """The optimizer that updates the weights, taken out of one that scales the loss."""
    return getattr(optimizer, "inner_optimizer", optimizer)
