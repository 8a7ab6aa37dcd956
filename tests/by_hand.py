"""The gradient of one batch, computed outside `fit` with each backend's own means."""

import keras

BACKEND = keras.backend.backend()


def gradients_by_hand(model, x, y):
    """Gradients of the trainable variables; the moving statistics of the model move once."""
    if BACKEND == "jax":
        return jax_gradients(model, x, y)
    if BACKEND == "torch":
        x, y = keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(y)
    grads = gradients_of(
        lambda: model.compute_loss(x, y, model(x, training=True)), model.trainable_variables
    )
    return [keras.ops.convert_to_tensor(grad) for grad in grads]


def jax_gradients(model, x, y):
    import jax

    def loss(trainable, others):
        outputs, others = model.stateless_call(trainable, others, x, training=True)
        return model.compute_loss(x, y, outputs), others

    trainable = [variable.value for variable in model.trainable_variables]
    others = [variable.value for variable in model.non_trainable_variables]
    grads, others = jax.grad(loss, has_aux=True)(trainable, others)
    for variable, value in zip(model.non_trainable_variables, others, strict=True):
        variable.assign(value)
    return grads


def gradients_of(loss_of, weights):
    """Gradients of any loss, which a function without arguments computes; None where there is none.

    Not on JAX, where a gradient is one of a function: see `gradient_function`.
    """
    if BACKEND == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss = loss_of()
        return tape.gradient(loss, [weight.value for weight in weights])
    for weight in weights:
        weight.value.grad = None
    loss_of().backward()
    grads = [weight.value.grad for weight in weights]
    return [None if grad is None else grad.clone() for grad in grads]


def gradient_function(loss_of, weights, others):
    """A function from a batch to the gradients of a loss, at the values that the variables have.

    Args:
        loss_of: a function from the batch to the loss.
        weights: the variables to differentiate by.
        others: all others; on JAX, which compiles the function, they do not move.
    """
    if BACKEND != "jax":
        return lambda *batch: gradients_of(lambda: loss_of(*batch), weights)
    import jax

    @jax.jit
    def gradients(values, rest, batch):
        def loss_at(values):
            mapping = [*zip(weights, values, strict=True), *zip(others, rest, strict=True)]
            with keras.StatelessScope(mapping, collect_losses=True):
                return loss_of(*batch)

        return jax.grad(loss_at)(values)

    def values_of(variables):
        return [variable.value for variable in variables]

    return lambda *batch: gradients(values_of(weights), values_of(others), batch)
