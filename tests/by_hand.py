"""The gradient of one batch, computed outside `fit` with each backend's own means."""

import keras


def gradients_by_hand(model, x, y):
    """Gradients of the trainable variables; the moving statistics of the model move once."""
    return GRADIENTS[keras.backend.backend()](model, x, y)


def tensorflow_gradients(model, x, y):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = model.compute_loss(x, y, model(x, training=True))
    gradients = tape.gradient(loss, model.trainable_variables)
    return [tf.convert_to_tensor(gradient) for gradient in gradients]


def torch_gradients(model, x, y):
    model.zero_grad()
    x, y = keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(y)
    model.compute_loss(x, y, model(x, training=True)).backward()
    return [variable.value.grad.clone() for variable in model.trainable_variables]


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


GRADIENTS = {
    "tensorflow": tensorflow_gradients,
    "torch": torch_gradients,
    "jax": jax_gradients,
}
