"""Which hidden layer is to blame, by a gradient that the code under test has no part in.

On the network before its first step: the output of each hidden layer, and the gradient of the loss
with respect to it by the automatic differentiation of TensorFlow or PyTorch itself.
"""

import keras
import numpy as np
from training_data import BATCH, as_given, as_list, clean_data_of

BACKENDS = ("tensorflow", "torch")


def layer_to_blame(recipe, model):
    """The first hidden layer whose units are alike, or that answers 0 to everything.

    Where there is none, the layer at which the gradient falls most on its way down.

    Args:
        recipe: of the training.
        model: the compiled network, not trained yet.
    """
    hidden = _hidden_layers(model)
    alike = [layer.name for layer in hidden if np.ptp(_kernel(layer), axis=-1).max() == 0]
    if alike:
        return alike[0]
    answers, gradients = _sizes(recipe, model, hidden)
    if 0.0 in answers:
        return hidden[answers.index(0.0)].name
    heights = np.log10(np.maximum(gradients, 1e-45))
    return hidden[1 + int(np.diff(heights).argmax())].name


def _hidden_layers(model):
    found = [layer for layer in model._flatten_layers() if layer.name.startswith("hidden_")]
    return sorted(found, key=lambda layer: int(layer.name.split("_")[1]))


def _kernel(layer):
    """Of a recurrent layer, the kernel of its cell."""
    return keras.ops.convert_to_numpy(getattr(layer, "cell", layer).kernel)


def _sizes(recipe, model, hidden):
    """The RMS of the output of each hidden layer, and of the gradient there."""
    outputs = {layer.name: [] for layer in hidden}
    for layer in hidden:
        _listen(layer, outputs[layer.name])
    flat, gradients = _gradients(lambda: _loss(recipe, model), outputs)
    known = {id(tensor): gradient for tensor, gradient in zip(flat, gradients, strict=True)}
    return tuple(
        [max(_rms(choose(tensor)) for tensor in tensors) for tensors in outputs.values()]
        for choose in (lambda tensor: tensor, lambda tensor: known[id(tensor)])
    )


def _gradients(loss_of, outputs):
    """The outputs in one list, and the gradient of the loss with respect to each."""

    def flat():
        return [tensor for tensors in outputs.values() for tensor in tensors]

    if keras.backend.backend() == "torch":
        loss_of().backward()
        return flat(), [tensor.grad for tensor in flat()]
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = loss_of()
    return flat(), tape.gradient(loss, flat())


def _listen(layer, outputs):
    """Keeps what a layer answers."""
    call = layer.call

    def heard(*args, **kwargs):
        output = call(*args, **kwargs)
        if hasattr(output, "retain_grad"):
            output.retain_grad()
        outputs.append(output)
        return output

    layer.call = heard


def _loss(recipe, model):
    if recipe.family == "gan":
        return -keras.ops.mean(model.critic(model._made(BATCH)))
    x, y = ([part[:BATCH] for part in as_list(parts)] for parts in clean_data_of(recipe))
    given = as_given([keras.ops.convert_to_tensor(part) for part in x])
    answers = model(given, training=True)
    return model.compute_loss(x=given, y=as_given(y), y_pred=answers)


def _rms(tensor):
    if tensor is None:
        return 0.0
    return float(np.sqrt(np.square(keras.ops.convert_to_numpy(tensor).astype(float)).mean()))
