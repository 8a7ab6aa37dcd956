"""Rematerialisation: intermediate values are computed again for the backward pass, not kept."""

from collections.abc import Callable

import keras
from keras import ops


def recomputed(function: Callable) -> Callable:
    """`function` without its intermediate values being kept for the backward pass.

    `function` takes tensors and returns one or several. It runs twice, so it must have no side
    effects. It must read no tensors but its arguments, and compute all values that are worth
    dropping from the last argument.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return _recomputed_on_tensorflow(function)
    if backend == "jax":
        import jax

        # XLA's compiler for CPUs removes the barriers that `jax.checkpoint` sets.
        if jax.default_backend() == "cpu":
            return _recomputed_on_jax(function)
    return keras.remat(function)


def _recomputed_on_tensorflow(function: Callable) -> Callable:
    """Like `tf.recompute_grad`, but without copying all tensors and doubling the graph."""
    import tensorflow as tf

    def with_backward(*tensors):
        def backward(*gradients):
            late = _after(gradients[0], tensors)
            with tf.GradientTape() as tape:
                tape.watch(late)
                outputs = function(*late)
            return tape.gradient(outputs, late, gradients)

        return function(*tensors), backward

    return tf.custom_gradient(with_backward)


def _recomputed_on_jax(function: Callable) -> Callable:
    import jax

    def forward(*tensors):
        return function(*tensors), tensors

    def backward(tensors, gradients):
        late = _after(jax.tree.leaves(gradients)[0], tensors)
        return jax.vjp(function, *late)[1](gradients)

    result = jax.custom_vjp(function)
    result.defvjp(forward, backward)
    return result


def _after(gradient, tensors) -> list:
    """The tensors, with the last one made to depend on the gradient.

    Otherwise compilers would merge the two equal computations and keep the result of the first.
    """
    # Zero unless the gradient is NaN and lost anyway, which a compiler cannot know.
    zero = ops.where(ops.isnan(ops.ravel(gradient)[0]), float("nan"), 0.0)
    *early, last = map(ops.convert_to_tensor, tensors)
    return [*early, last + ops.cast(zero, last.dtype)]
